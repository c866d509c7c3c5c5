"""What the service and this process say to each other (contract, section 7), and the limits of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self, TypeAlias

from runners.agent.exceptions import RequestError

EXECUTE = "runners.execute"
STOP = "runners.stop"
DRAIN = "runners.drain"

REPORTS_PATH = "/api/v1/reports/"
MAX_ITEMS = 1_000
MAX_BODY_BYTES = 4 * 2**20
# Far under the 1 MiB that the service takes: text can grow sixfold in JSON (\u001b), and a few pieces fit one body.
LOG_PIECE_BYTES = 256 * 2**10
MAX_MESSAGE_BYTES = 4 * 2**10

Key: TypeAlias = tuple[int, int]  # job, attempt


class Event(StrEnum):
    STARTED = "started"
    LOG = "log"
    ALIVE = "alive"
    FINISHED = "finished"
    RETURNED = "returned"


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    SPAWN_FAILED = "spawn_failed"
    LEASE_LOST = "lease_lost"
    RUNNER_STOPPING = "runner_stopping"


@dataclass(frozen=True, slots=True)
class ExecuteRequest:
    """One attempt to execute."""

    job: int
    attempt: int
    kind: str
    lease_seconds: float
    timeout_seconds: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)  # clients keep secrets in it
    mask: tuple[str, ...] = field(default=(), repr=False)  # what must stand in no log and no message

    @property
    def key(self) -> Key:
        return (self.job, self.attempt)

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """Read one request of a message; raise RequestError if it is none."""
        try:
            request = cls(
                job=int(data["job"]),
                attempt=int(data["attempt"]),
                kind=str(data["kind"]),
                lease_seconds=float(data["lease_seconds"]),
                timeout_seconds=None if data.get("timeout") is None else float(data["timeout"]),
                params=data["params"],
                mask=tuple(data.get("mask") or ()),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RequestError(f"not an execute request: {type(error).__name__} {error}") from None
        if not isinstance(request.params, Mapping):
            raise RequestError("not an execute request: params is no object")
        if not all(isinstance(value, str) for value in request.mask):
            raise RequestError("not an execute request: mask is no list of texts")
        return request


def finished(
    outcome: Outcome,
    *,
    exit_code: int | None = None,
    signal: int | None = None,
    reason: Reason | None = None,
    message: str = "",
) -> dict[str, Any]:
    """Return the fields of a `finished` report; what does not apply is left out."""
    fields = {
        "outcome": outcome,
        "exit_code": exit_code,
        "signal": signal,
        "reason": reason,
        "message": message or None,
    }
    return {"event": Event.FINISHED} | {name: value for name, value in fields.items() if value is not None}


def cut(message: str) -> str:
    """Return as much of a message as the service keeps."""
    return message.encode(errors="replace")[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def returned(reason: Reason, *, message: str) -> dict[str, Any]:
    """Return the fields of a `returned` report: the attempt is given back, against no budget."""
    return {"event": Event.RETURNED, "reason": reason, "message": message}
