"""What clients use of their limits, as told by the app that knows the jobs (which this one may not import)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """How many jobs of a client run and wait."""

    in_progress: int = 0
    ready: int = 0


Counter = Callable[[Collection[int]], Mapping[int, Use]]

_counters: list[Counter] = []


def count_with(counter: Counter) -> None:
    """Name the function that counts; called once, by the AppConfig of the app that has the jobs."""
    _counters[:] = [counter]


def use_of(client_ids: Collection[int]) -> dict[int, Use]:
    """Return the use of each of these clients; as many queries as the counter needs, whatever their number."""
    counted = _counters[0](client_ids) if _counters and client_ids else {}
    return {client_id: counted.get(client_id, Use()) for client_id in client_ids}
