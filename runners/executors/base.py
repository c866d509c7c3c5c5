from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NotRequired, TypedDict


class ExecuteRequest(TypedDict):
    """What a runner is told to do (contract section 7); the token is good for this attempt's reports alone."""

    job: int
    attempt: int
    kind: str
    version: str
    params: dict[str, object]
    timeout: int | None
    report_url: str
    token: str
    lease_seconds: float
    mask: NotRequired[list[str]]
    """Values to be kept out of logs, messages and results: the secrets among the params."""


class Executor(ABC):
    """Talks to runners of one type. Touches no models and runs outside every transaction.

    Each verb may be repeated for the same attempt and may be lost: requests without `started` are sent again, and a
    stop is also told in the reply to the next report.
    """

    @abstractmethod
    def execute(self, runner: str, requests: Sequence[ExecuteRequest]) -> None:
        """Hand the requests over to the runner of that name."""

    @abstractmethod
    def stop(self, runner: str, attempts: Sequence[tuple[int, int]]) -> None:
        """Ask the runner to stop these attempts, each a job and the attempt's number."""

    @abstractmethod
    def drain(self, runner: str) -> None:
        """Ask the runner to take no more and to leave once it is idle."""
