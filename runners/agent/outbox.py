"""Reports on their way: which attempts have some, and how much fits into one batch."""

from __future__ import annotations

from dataclasses import dataclass

from runners.agent.attempt import Attempt, Report
from runners.agent.protocol import LOG_PIECE_BYTES, MAX_BODY_BYTES, MAX_ITEMS

# The largest that one log piece can become in JSON is left free, so that a body never passes the limit.
_FULL_BYTES = MAX_BODY_BYTES - 6 * LOG_PIECE_BYTES - 64 * 2**10


@dataclass(frozen=True, slots=True)
class Batch:
    """Reports that travel together; empty, it says that we are online."""

    reports: tuple[Report, ...] = ()

    @property
    def body(self) -> bytes:
        return b'{"reports":[' + b",".join(report.body for report in self.reports) + b"]}"


class Outbox:
    """Attempts that have something to report, in turn."""

    def __init__(self, *, worker: str) -> None:
        self._worker = worker
        self._waiting: dict[Attempt, None] = {}
        self._max_items = MAX_ITEMS
        self._full_bytes = _FULL_BYTES

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def mark(self, attempt: Attempt) -> None:
        """Note that the attempt has something to report."""
        self._waiting[attempt] = None

    def forget(self, attempt: Attempt) -> None:
        self._waiting.pop(attempt, None)

    def batch(self, *, now: float) -> Batch | None:
        """Return the next batch, or None if nothing is to be reported; reports of one attempt stay in order."""
        reports: list[Report] = []
        size = 0
        for attempt in list(self._waiting):
            del self._waiting[attempt]
            for report in attempt.reports(worker=self._worker, now=now):
                reports.append(report)
                size += len(report.body)
                if len(reports) >= self._max_items or size >= self._full_bytes:
                    self._waiting[attempt] = None  # it may have more: next time, after the others
                    return Batch(tuple(reports))
            if attempt.log_due_at() == 0.0:
                self._waiting[attempt] = None
        return Batch(tuple(reports)) if reports else None

    def arrived(self) -> None:
        """A batch was taken: try larger ones again, if they had been made smaller."""
        self._max_items = min(2 * self._max_items, MAX_ITEMS)
        self._full_bytes = min(2 * self._full_bytes, _FULL_BYTES)

    def too_much(self, batch: Batch) -> None:
        """A batch was refused as a whole: make smaller ones."""
        self._max_items = max(len(batch.reports) // 2, 1)
        self._full_bytes = max(len(batch.body) // 2, 1)

    def again(self, batch: Batch) -> None:
        """A batch did not arrive: all of it is to be sent again."""
        for attempt in {report.attempt: None for report in batch.reports}:
            attempt.unsend()
            self.mark(attempt)
