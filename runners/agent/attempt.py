"""One attempt while this process holds it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import orjson

from runners.agent.lease import Lease
from runners.agent.output import Budget, Output
from runners.agent.protocol import LOG_PIECE_BYTES, Event, ExecuteRequest, cut
from runners.masking import Masker

_LOG_LINGER_SECONDS = 0.2
_LOG_URGENT_BYTES = 64 * 2**10
_LOG_PIECES = 4  # of one attempt in one batch: others have logs too


class Phase(Enum):
    OFFERED = auto()  # `started` is being reported
    RUNNING = auto()  # asked of the guardian, or at work
    ENDED = auto()  # nothing of it is left; its end is being reported


class Stop(Enum):
    """Why we end the work."""

    CANCELLED = auto()
    TIMEOUT = auto()
    LEASE_LOST = auto()
    RUNNER_STOPPING = auto()
    OVER = auto()  # the service says that it is not ours any more


class Delivery(Enum):
    """How far a report has come."""

    NONE = auto()
    WANTED = auto()
    SENT = auto()
    ACCEPTED = auto()


class Report:
    """One item of a batch, ready to send."""

    __slots__ = ("attempt", "body", "end", "event")

    def __init__(self, attempt: Attempt, *, fields: dict[str, Any], end: int = 0) -> None:
        self.attempt = attempt
        self.event: Event = fields["event"]
        self.end = end  # of a log: the offset after its text
        request = attempt.request
        self.body = orjson.dumps({"job": request.job, "attempt": request.attempt, **fields})


class Attempt:
    """State of one attempt: its work, its lease, and what is still to be reported of it."""

    def __init__(self, request: ExecuteRequest, *, now: float, budget: Budget) -> None:
        self.request = request
        self.key = request.key
        self.phase = Phase.OFFERED
        self.lease = Lease(request.lease_seconds, now=now)

        # Its work.
        self.serial = 0
        self.pipe: int | None = None
        self.is_watched = False
        self.timeout_at: float | None = None
        self.held_until = 0.0  # as the guardian knows it
        self.stop: Stop | None = None
        self.kill_at: float | None = None
        self.was_killed = False

        # Its reports.
        self._masker = Masker(request.mask) if request.mask else None
        self.output = Output(budget=budget, masker=self._masker)
        self.started = Delivery.WANTED
        self.final = Delivery.NONE
        self.final_fields: dict[str, Any] = {}
        self.alive = Delivery.NONE
        self.reported_at = now
        self.log_sent_at = 0.0

    def __repr__(self) -> str:
        return f"<attempt {self.request.attempt} of job {self.request.job}: {self.phase.name}>"

    def end_with(self, fields: dict[str, Any]) -> None:
        """Nothing of the work is left: report this, after all its log."""
        self.phase = Phase.ENDED
        self.alive = Delivery.NONE
        self.final = Delivery.WANTED
        self.final_fields = self._presentable(fields)
        if self.started is Delivery.WANTED:
            self.started = Delivery.NONE

    def _presentable(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Mask first, then cut: half a secret would not be told by anything."""
        if self._masker is not None:
            said = {name: self._masker.value(fields[name]) for name in ("message", "result") if name in fields}
            fields = fields | said
        return fields | ({"message": cut(fields["message"])} if "message" in fields else {})

    @property
    def is_delivered(self) -> bool:
        return self.phase is Phase.ENDED and self.final is Delivery.ACCEPTED and self.output.held_bytes == 0

    def log_due_at(self) -> float | None:
        """Return when unsent log is to be sent: the first line at once, then a few times a second."""
        unsent = self.output.unsent_bytes
        if not unsent:
            return None
        if unsent >= _LOG_URGENT_BYTES or self.phase is Phase.ENDED:
            return 0.0
        return self.log_sent_at + _LOG_LINGER_SECONDS

    def reports(self, *, worker: str, now: float) -> Iterator[Report]:
        """Yield what is to be reported now, in order; whatever is yielded counts as sent."""
        if self.started is Delivery.WANTED:
            self.started = Delivery.SENT
            yield self._report({"event": Event.STARTED, "worker": worker}, now=now)
            return
        if (due := self.log_due_at()) is not None and due <= now:
            self.log_sent_at = now
            for _ in range(_LOG_PIECES):
                if (piece := self.output.take(LOG_PIECE_BYTES)) is None:
                    break
                offset, text = piece
                fields = {"event": Event.LOG, "offset": offset, "text": text}
                yield self._report(fields, now=now, end=offset + len(text.encode()))
        if self.final is Delivery.WANTED and not self.output.unsent_bytes:
            self.final = Delivery.SENT
            yield self._report(self.final_fields, now=now)
        if self.alive is Delivery.WANTED:
            self.alive = Delivery.NONE
            if self.reported_at < now:  # nothing above has said so already
                yield self._report({"event": Event.ALIVE}, now=now)

    def _report(self, fields: dict[str, Any], *, now: float, end: int = 0) -> Report:
        self.reported_at = now
        return Report(self, fields=fields, end=end)

    def unsend(self) -> None:
        """What was sent did not arrive, or nobody knows: send it again."""
        if self.started is Delivery.SENT:
            self.started = Delivery.WANTED if self.phase is Phase.OFFERED else Delivery.NONE
        if self.final is Delivery.SENT:
            self.final = Delivery.WANTED
        if self.phase is Phase.RUNNING:
            self.alive = Delivery.WANTED
        self.output.rewind()
