"""What each event does to its attempt, in memory, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runners.finishing import End
from runners.logs import Gap
from runners.models import Attempt, Outcome, StopReason
from runners.reports.items import Alive, Finished, Item, Log, Progress, Reply, Returned, Started, clean

if TYPE_CHECKING:
    from runners.reports.applying import Batch

LATE_REPORTS_KEPT = 20
LOG_AFTER_END = timedelta(seconds=60)


def apply_item(item: Item, *, batch: Batch) -> Reply:
    """Change the batch as the item says and return its reply."""
    attempt = batch.attempts.get((item.job, item.attempt))
    if attempt is None:
        return _reply(item, status=404, cancel=True)
    if attempt.is_over:
        status = _late(item, attempt=attempt, batch=batch)
    else:
        status = _EFFECTS[type(item)](item, attempt, batch)
        if status == 200 and not attempt.is_over:
            attempt.renew_lease(now=batch.now)
    batch.touched[attempt.pk] = attempt
    stop = status in (404, 409) or (attempt.stop_requested_at is not None and not attempt.is_over)
    reply = _reply(item, status=status, cancel=stop)
    if not attempt.is_over:
        reply["lease_seconds"] = round(max((attempt.lease_until - batch.now).total_seconds(), 0), 3)
    if isinstance(item, Log):
        reply["size"] = attempt.log_size
    return reply


def _reply(item: Item, *, status: int, cancel: bool) -> Reply:
    return Reply(job=item.job, attempt=item.attempt, event=item.event, status=status, cancel=cancel, lease_seconds=0)


def _started(item: Started, attempt: Attempt, batch: Batch) -> int:
    """Let the first worker begin, and it alone; nobody once the attempt was asked to stop."""
    job = batch.jobs[item.job]
    if attempt.stop_requested_at is not None or job.cancel_requested_at is not None:
        return 409
    if attempt.started_at is not None:
        return 200 if attempt.worker == item.worker else 409
    attempt.begin(worker=item.worker, timeout=job.timeout, now=batch.now)
    job.started_at, job.unstarted = batch.now, 0
    batch.shown[job.pk] = job
    return 200


def _progress(item: Progress, attempt: Attempt, batch: Batch) -> int:
    job = batch.jobs[item.job]
    if item.progress is not None:
        job.progress = item.progress
    if item.message is not None:
        job.message = clean(item.message)
    batch.shown[job.pk] = job
    return 200


def _log(item: Log, attempt: Attempt, batch: Batch) -> int:
    try:
        batch.appends.add(attempt, offset=item.offset, text=item.text.encode())
    except Gap:
        return 416
    return 200


def _alive(item: Alive, attempt: Attempt, batch: Batch) -> int:
    return 200


def _finished(item: Finished, attempt: Attempt, batch: Batch) -> int:
    if attempt.started_at is None:
        attempt.begin(worker="", timeout=None, now=batch.now)
        batch.jobs[item.job].started_at, batch.jobs[item.job].unstarted = batch.now, 0
    _end(item, attempt, batch, outcome=_outcome(item, attempt=attempt, batch=batch))
    return 200


def _returned(item: Returned, attempt: Attempt, batch: Batch) -> int:
    _end(item, attempt, batch, outcome=_outcome(item, attempt=attempt, batch=batch))
    return 200


def _end(item: Finished | Returned, attempt: Attempt, batch: Batch, *, outcome: Outcome) -> None:
    attempt.end(outcome=outcome, now=batch.now, **_particulars(item))
    if outcome != _reported(item):
        attempt.evidence["reported"] = _reported(item)
    batch.ends.append(
        End(attempt=attempt, job=batch.jobs[item.job], result=item.result if isinstance(item, Finished) else None)
    )


def _reported(item: Finished | Returned) -> str:
    return item.outcome if isinstance(item, Finished) else Outcome.RETURNED.value


def _particulars(item: Finished | Returned) -> dict[str, Any]:
    """Return what an attempt keeps of its last report beside the outcome."""
    return {
        "reason": clean(item.reason),
        "message": clean(item.message),
        "exit_code": item.exit_code if isinstance(item, Finished) else None,
        "signal": item.signal if isinstance(item, Finished) else None,
    }


def _outcome(item: Finished | Returned, *, attempt: Attempt, batch: Batch) -> Outcome:
    """Return what the outcome reported amounts to: a runner's `cancelled` counts only if somebody asked for it."""
    if isinstance(item, Returned):
        return Outcome.RETURNED
    if item.outcome != "cancelled" or attempt.stop_reason == StopReason.CANCEL:
        return Outcome(item.outcome)
    if batch.jobs[item.job].cancel_requested_at is not None:
        return Outcome.CANCELLED
    return Outcome.TIMED_OUT if attempt.stop_reason == StopReason.TIMEOUT else Outcome.FAILED


def _late(item: Item, *, attempt: Attempt, batch: Batch) -> int:
    """Answer a report of an attempt that is over: it changes nothing, but is kept as evidence."""
    if isinstance(item, Log) and attempt.finished_at and batch.now <= attempt.finished_at + LOG_AFTER_END:
        return _log(item, attempt, batch)
    if isinstance(item, Finished | Returned) and _is_recorded(item, attempt=attempt):
        return 200
    late = attempt.evidence.setdefault("late_reports", [])
    if len(late) < LATE_REPORTS_KEPT:
        late.append({"at": batch.now.isoformat(), **_summary(item)})
    return 409


def _is_recorded(item: Finished | Returned, *, attempt: Attempt) -> bool:
    recorded = {name: getattr(attempt, name) for name in ("reason", "message", "exit_code", "signal")}
    # What it was reported as, which may have amounted to something else.
    outcome = attempt.evidence.get("reported", attempt.outcome)
    return outcome == _reported(item) and recorded == _particulars(item)


def _summary(item: Item) -> dict[str, Any]:
    shown: dict[str, Any] = {"event": item.event}
    for name in ("worker", "outcome", "exit_code", "signal", "reason", "progress", "offset"):
        value = getattr(item, name, None)
        if value is not None:
            shown[name] = clean(value) if isinstance(value, str) else value
    return shown


_EFFECTS: dict[type[Item], Callable[[Any, Attempt, Batch], int]] = {
    Started: _started,
    Progress: _progress,
    Log: _log,
    Alive: _alive,
    Finished: _finished,
    Returned: _returned,
}
