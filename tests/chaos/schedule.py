"""Which fault comes when: from the seed alone, so that a run that failed can be tried again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_PAUSE_SECONDS = (0.3, 1.5)


@dataclass(frozen=True)
class Step:
    """A fault, how long nothing is done before it, and a number of its own to choose by."""

    fault: str
    pause_seconds: float
    seed: int


def schedule(faults: Iterable[str], *, seed: int, length: int) -> Iterator[Step]:
    """Yield so many steps: every fault once, in random order, then again in another."""
    chance = random.Random(f"faults {seed}")
    deck: list[str] = []
    names = sorted(faults)
    for _ in range(length):
        if not deck:
            deck = chance.sample(names, k=len(names))
        yield Step(deck.pop(), pause_seconds=chance.uniform(*_PAUSE_SECONDS), seed=chance.getrandbits(32))
