"""Which candidate goes to which runner: pure bookkeeping of rooms within one claim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runners.models import Runner


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may start, in claim order.

    `starts_stage` if nothing of its stage was started yet; `client_room` is None where the client has no limit of its
    own, `runners` where it names none and may use all.
    """

    job: int
    attempt: int
    pipeline: int
    stage: int
    starts_stage: bool
    client: int
    kind: str
    client_room: int | None
    runners: list[int] | None


class Placement:
    """The rooms that are left and what was placed in them; rooms only shrink."""

    def __init__(self, runners: Iterable[Any], *, room: int) -> None:
        self.room = room
        self.placed: list[tuple[Candidate, Runner]] = []
        self.exhausted: set[tuple[int, str]] = set()
        self._runners: dict[int, Runner] = {}
        self._free: dict[int, int] = {}
        self._of_kind: dict[str, list[int]] = {}
        self._placed_of_client: dict[int, int] = {}
        for runner in runners:
            if runner.capacity > runner.in_use:
                self._runners[runner.pk] = runner
                self._free[runner.pk] = runner.capacity - runner.in_use
                for kind in runner.accepted_kinds:
                    self._of_kind.setdefault(kind, []).append(runner.pk)

    @property
    def slots(self) -> int:
        """Return how many more could be placed, were they of the right kinds and clients."""
        return min(self.room, sum(self._free.values()))

    def rooms(self) -> list[dict[str, Any]]:
        """Return the free room of each runner for each of its kinds."""
        return [
            {"runner": pk, "kind": kind, "free": self._free[pk]}
            for kind, runners in self._of_kind.items()
            for pk in runners
            if self._free[pk]
        ]

    def place(self, candidates: Iterable[Candidate]) -> bool:
        """Place the candidates in their order; return whether some pair was found exhausted: then more may follow.

        Each goes to the runner with most free room, then the lowest id, among those its client may use. A (client,
        kind) that has no room left is remembered and passed over, so that it holds nobody back.
        """
        found_exhausted = False
        for candidate in candidates:
            pair = (candidate.client, candidate.kind)
            if self.room <= 0 or pair in self.exhausted:
                continue
            runner = self._choose(candidate)
            if runner is None:
                self.exhausted.add(pair)
                found_exhausted = True
                continue
            self._free[runner] -= 1
            self.room -= 1
            self._placed_of_client[candidate.client] = self._placed_of_client.get(candidate.client, 0) + 1
            self.placed.append((candidate, self._runners[runner]))
        return found_exhausted

    def _choose(self, candidate: Candidate) -> int | None:
        placed = self._placed_of_client.get(candidate.client, 0)
        if candidate.client_room is not None and placed >= candidate.client_room:
            return None
        free = [
            pk
            for pk in self._of_kind.get(candidate.kind, ())
            if self._free[pk] > 0 and (candidate.runners is None or pk in candidate.runners)
        ]
        return max(free, key=lambda pk: (self._free[pk], -pk)) if free else None
