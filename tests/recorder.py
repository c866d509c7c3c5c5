"""A runner that only listens, for tests that let no message leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runners import dispatch, presence, stops
from runners.executors.base import ExecuteRequest, Executor


class Recorder(Executor):
    """Stands in for the runners: keeps what they are told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, ExecuteRequest]] = []
        self.stopped: list[tuple[str, tuple[int, int]]] = []
        self.drained: list[str] = []

    def execute(self, runner: str, requests: Sequence[ExecuteRequest]) -> None:
        self.requests += [(runner, request) for request in requests]

    def stop(self, runner: str, attempts: Sequence[tuple[int, int]]) -> None:
        self.stopped += [(runner, attempt) for attempt in attempts]

    def drain(self, runner: str) -> None:
        self.drained.append(runner)

    @property
    def started(self) -> list[tuple[int, int]]:
        """Return the job and attempt of each execute request."""
        return [(request["job"], request["attempt"]) for _, request in self.requests]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Let no message leave; return what the runners would have been told."""
    recorder = Recorder()

    def executor_for(runner_type: str) -> Any:
        return recorder

    for module in (dispatch, presence, stops):
        monkeypatch.setattr(module, "executor_for", executor_for)
    return recorder
