"""Reading YAML 1.2: one document of plain values within bounds, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from pipelines.definition.errors import Place, too_deep, too_large, too_many_nodes, unreadable
from pipelines.definition.limits import Limits
from pipelines.definition.problems import Problems
from pipelines.definition.scalars import resolve
from pipelines.definition.values import repeated_key, unusable_scalar
from pipelines.definition.yaml_events import MERGE, events, is_merge_key, place
from pipelines.wording import Problem, quoted

_CORE_TAG = "tag:yaml.org,2002:"


def load_yaml(body: bytes, *, limits: Limits) -> tuple[Any, Problems]:
    """Return the value and what in it cannot be used; raise DocumentErrors for what cannot be read."""
    composer = _Composer(body, limits=limits)
    return composer.document(), composer.problems


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node that aliases may repeat, and what each repetition adds."""

    value: Any
    nodes: int
    characters: int
    height: int


class _Composer:
    """Builds values from events; what nests too deep or holds too much is refused before it is built."""

    def __init__(self, body: bytes, *, limits: Limits) -> None:
        self.problems = Problems()
        self._events = events(body)
        self._limits = limits
        self._path: list[str | int] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._nodes = 0
        self._characters = 0
        self._deepest = 0

    def document(self) -> Any:
        value = self._node(next(self._events))
        for _ in self._events:
            pass  # to the end of the stream, where a second document or an error may be
        return value

    def _node(self, event: Event) -> Any:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, AliasEvent):
            return self._repeated(event)
        # Ends are consumed where their collection is read, so this is a beginning.
        return self._collection(cast(CollectionStartEvent, event))

    def _scalar(self, event: ScalarEvent) -> Any:
        text = event.value
        value = text if event.style else resolve(text)
        self._count(event, nodes=1, characters=len(text))
        if event.tag is not None:
            self._report_tag(event.tag)
        if (value.__class__ is not str or "\0" in text) and (detail := unusable_scalar(value)):
            self.problems.add(Problem(tuple(self._path), detail, spoils=True))
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, nodes=1, characters=len(text), height=0)
        return value

    def _repeated(self, event: AliasEvent) -> Any:
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            why = "stands inside of the node it repeats" if event.anchor in self._anchors else "has no anchor before it"
            raise unreadable(f"the alias {quoted(f'*{event.anchor}')} {why}", at=place(event))
        self._count(event, nodes=anchored.nodes, characters=anchored.characters)
        self._reach(event, depth=len(self._path) + anchored.height)
        return anchored.value

    def _collection(self, event: CollectionStartEvent) -> Any:
        nodes, characters, outer = self._nodes, self._characters, self._deepest
        depth = self._deepest = len(self._path)
        self._count(event, nodes=1, characters=0)
        self._reach(event, depth=depth + 1)
        if event.tag is not None:
            self._report_tag(event.tag)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it is whole
        value = self._mapping() if isinstance(event, MappingStartEvent) else self._sequence()
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(
                value, self._nodes - nodes, self._characters - characters, height=self._deepest - depth
            )
        self._deepest = max(outer, self._deepest)
        return value

    def _sequence(self) -> list[Any]:
        items: list[Any] = []
        self._path.append(0)
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            self._path[-1] = len(items)
            items.append(self._node(event))
        self._path.pop()
        return items

    def _mapping(self) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        merged: list[Any] | None = None
        self._path.append("")
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            is_merge = is_merge_key(event)
            key = self._key(event)
            self._path[-1] = key
            value = self._node(next(self._events))
            if merged is not None if is_merge else key in entries:
                self._report_repeated(key, at=place(event))
            elif is_merge:
                merged = value if isinstance(value, list) else [value]
            else:
                entries[key] = value
        self._path[-1] = MERGE
        self._merge(entries, sources=merged or [])
        self._path.pop()
        return entries

    def _key(self, event: Event) -> str:
        text = event.value if isinstance(event, ScalarEvent) else ""
        self._path[-1] = text
        value = self._node(event)
        if isinstance(value, str):
            return value
        path = tuple(self._path)
        if not self.problems.skips(path):
            given = "a list or an object" if isinstance(value, list | dict) else f"{text or 'null'}: put it in quotes"
            self.problems.add(Problem(path, f"a key must be a string, not {given}", place=place(event), spoils=True))
        return text

    def _merge(self, entries: dict[str, Any], *, sources: list[Any]) -> None:
        """Add what `<<` brings: a mapping's own entries win, then those of earlier sources."""
        for source in sources:
            if not isinstance(source, dict):
                self.problems.add(Problem(tuple(self._path), "'<<' takes a mapping, or a list of mappings, to merge"))
                return
            for key, value in source.items():
                entries.setdefault(key, value)

    def _count(self, event: Event, *, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > self._limits.max_nodes:
            raise too_many_nodes(self._limits, at=place(event))
        if self._characters > self._limits.max_characters:
            raise too_large(self._limits, at=place(event))

    def _reach(self, event: Event, *, depth: int) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > self._limits.max_depth:
            raise too_deep(self._limits, at=place(event))

    def _report_tag(self, tag: str) -> None:
        path = tuple(self._path)
        if not self.problems.skips(path):
            written = f"!!{tag.removeprefix(_CORE_TAG)}" if tag.startswith(_CORE_TAG) else tag
            self.problems.add(Problem(path, f"tags are not allowed: remove {quoted(written)}"))

    def _report_repeated(self, key: str, *, at: Place) -> None:
        path = tuple(self._path)
        if not self.problems.skips(path):
            self.problems.add(Problem(path, repeated_key(key), place=at))
