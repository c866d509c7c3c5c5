"""The cluster's clock: the real one and what tests have added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def stamp(self) -> str:
        """Now, as objects carry it: in whole seconds."""
        return f"{self.now():%Y-%m-%dT%H:%M:%SZ}"

    def seconds_since(self, stamp: str) -> float:
        return (self.now() - datetime.fromisoformat(stamp)).total_seconds()
