from __future__ import annotations

from collections.abc import Sequence

from pipelines.nudges import send
from runners.executors.base import ExecuteRequest, Executor

FOLLOW = "runners.follow"


class KubernetesExecutor(Executor):
    """Asks for a round of the runner, which creates what is due and deletes what is to stop (runners.kubernetes)."""

    def execute(self, runner: str, requests: Sequence[ExecuteRequest]) -> None:
        self._follow(runner)

    def stop(self, runner: str, attempts: Sequence[tuple[int, int]]) -> None:
        self._follow(runner)

    def drain(self, runner: str) -> None:
        """Do nothing: no process of ours stands there."""

    def _follow(self, runner: str) -> None:
        send(FOLLOW, args=(runner,))
