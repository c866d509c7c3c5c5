from __future__ import annotations

from dataclasses import dataclass

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
STEADY_SECONDS = 60.0


@dataclass(slots=True)
class Backoff:
    """When something that keeps dying may be started again: later each time, until it has lived for a while."""

    deaths: int = 0
    started_at: float = 0.0
    due_at: float | None = None

    def started(self, *, now: float) -> None:
        self.started_at, self.due_at = now, None

    def died(self, *, now: float) -> float:
        """Note a death and return the seconds until it may be started again."""
        if now - self.started_at >= STEADY_SECONDS:
            self.deaths = 0
        pause = min(FIRST_SECONDS * 2.0**self.deaths, LONGEST_SECONDS)
        self.deaths += 1
        self.due_at = now + pause
        return pause
