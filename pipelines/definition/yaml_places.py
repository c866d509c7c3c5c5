"""Where in a YAML text the mistakes are: a second reading, made only when there are some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pipelines.definition.yaml_events import events, is_merge_key, place
from pipelines.wording import Path


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value stands (at its key; in a list, itself), and its text if it is a scalar."""

    place: tuple[int, int]
    text: str = ""
    is_plain: bool = False
    children: dict[str | int, Spot] | None = None


class Wanted(dict[str | int, "Wanted"]):
    """Paths as a tree: only what lies on them is remembered."""

    def add(self, path: Path) -> None:
        level = self
        for part in path:
            level = level.setdefault(part, Wanted())

    def at(self, part: str | int) -> Wanted | None:
        return self.get(part)


class _Everything(Wanted):
    def at(self, part: str | int) -> Wanted | None:
        return self


_EVERYTHING = _Everything()


def locate(body: bytes, paths: Iterable[Path]) -> dict[Path, Spot]:
    """Return, for each path in a text that was composed before, its spot or that of the nearest value around it."""
    wanted, paths = Wanted(), list(paths)
    for path in paths:
        wanted.add(path)
    locator = _Locator(body)
    first = next(locator.events)
    root = locator.node(first, wanted=wanted) if wanted else Spot(place(first))
    return {path: _nearest(root, path=path) for path in paths}


def _nearest(spot: Spot, *, path: Path) -> Spot:
    for part in path:
        if part not in (spot.children or {}):
            return Spot(spot.place)
        spot = (spot.children or {})[part]
    return spot


class _Locator:
    def __init__(self, body: bytes) -> None:
        self.events = events(body)
        self._anchors: dict[str, Spot] = {}

    def node(self, event: Event, *, wanted: Wanted | None) -> Spot:
        anchor = event.anchor if isinstance(event, NodeEvent) else None
        if isinstance(event, AliasEvent):
            return replace(self._anchors[anchor or ""], place=place(event))
        if anchor is not None:
            wanted = _EVERYTHING  # as an alias may repeat it on a path that is wanted
        if isinstance(event, ScalarEvent):
            spot = Spot(place(event), text=event.value, is_plain=not event.style)
        elif isinstance(event, MappingStartEvent):
            spot = Spot(place(event), children=self._mapping(wanted))
        elif isinstance(event, SequenceStartEvent):
            spot = Spot(place(event), children=self._sequence(wanted))
        if anchor is not None:
            self._anchors[anchor] = spot
        return spot

    def _sequence(self, wanted: Wanted | None) -> dict[str | int, Spot]:
        children: dict[str | int, Spot] = {}
        for index, event in enumerate(self._until(SequenceEndEvent)):
            wanted_here = wanted.at(index) if wanted is not None else None
            child = self.node(event, wanted=wanted_here)
            if wanted_here is not None:
                children[index] = child
        return children

    def _mapping(self, wanted: Wanted | None) -> dict[str | int, Spot]:
        children: dict[str | int, Spot] = {}
        merge: Spot | None = None
        for event in self._until(MappingEndEvent):
            key = self.node(event, wanted=None).text
            is_merge = is_merge_key(event)
            wanted_here = _EVERYTHING if is_merge else wanted.at(key) if wanted is not None else None
            child = self.node(next(self.events), wanted=wanted_here)
            if wanted_here is not None:
                children.setdefault(key, replace(child, place=place(event)))
            if is_merge and merge is None:
                merge = child
        for source in _sources(merge) if merge is not None else []:
            for merged, spot in (source.children or {}).items():
                children.setdefault(merged, spot)
        return children

    def _until(self, end: type[Event]) -> Iterator[Event]:
        while not isinstance(event := next(self.events), end):
            yield event


def _sources(merge: Spot) -> list[Spot]:
    children = merge.children or {}
    return list(children.values()) if 0 in children else [merge]
