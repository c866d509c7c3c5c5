"""Restart what dies."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from taskpipeline.engines.embedded import Engines
from taskpipeline.engines.engine import Engine
from taskpipeline.engines.exceptions import EngineError
from taskpipeline.stack.backoff import Backoff


class Watched(Protocol):
    """Something that is to run."""

    name: str
    log: Path
    backoff: Backoff

    def start(self) -> None: ...

    def poll(self) -> int | None: ...


class WatchedEngine:
    """An embedded engine, which comes back at its old address."""

    def __init__(self, engine: Engine, *, engines: Engines) -> None:
        self.name: str = engine.name
        self.log = engine.log
        self.backoff = Backoff()
        self.poll = engine.poll
        self._engine = engine
        self._engines = engines

    def start(self) -> None:
        self._engines.revive(self._engine)


def look_after(watched: Watched, *, say: Callable[[str], None]) -> bool:
    """Notice a death, or start again what is due; True if it was started."""
    now = time.monotonic()
    due_at = watched.backoff.due_at
    if due_at is None:
        code = watched.poll()
        if code is not None:
            pause = watched.backoff.died(now=now)
            say(f"{watched.name} ended with {code}; it is started again in {pause:g} s. See {watched.log}")
        return False
    if now < due_at:
        return False
    try:
        watched.start()
    except EngineError as error:
        pause = watched.backoff.died(now=now)
        say(f"{error}\n{watched.name} is tried again in {pause:g} s.")
        return False
    watched.backoff.started(now=now)
    return True
