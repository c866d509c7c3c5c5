"""Claims, reports, leases and stops (contract sections 4, 5 and 7), one attempt at a time, in the plainest Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.lifecycle.rows import DONE, ERROR, IN_PROGRESS, READY, ModelAttempt, ModelJob
from tests.lifecycle.settling import settle

LEASE_SECONDS = 8
STOP_GRACE_SECONDS = 3
LOSS_LIMIT = 1
UNSTARTED_LIMIT = 2
ENDS = ("finished", "returned")
# How often expiry rounds run; after twice that without one the service had been down.
INTERVAL = timedelta(seconds=LEASE_SECONDS / 4)


@dataclass
class Attempts:
    """All attempts there ever were, in the order in which they were claimed."""

    all: list[ModelAttempt] = field(default_factory=list)
    expired_at: datetime | None = None

    @property
    def live(self) -> list[ModelAttempt]:
        return [attempt for attempt in self.all if not attempt.outcome]

    def hand_out(self, job: ModelJob, *, runner: int, runner_name: str, now: datetime) -> None:
        job.move(IN_PROGRESS)
        job.attempt += 1
        job.runner, job.reason, job.progress = runner_name, "", 0
        for parent in (job.stage, job.pipeline):
            if parent.state == READY:
                parent.move(IN_PROGRESS)
        lease = now + timedelta(seconds=LEASE_SECONDS)
        self.all.append(ModelAttempt(job=job, number=job.attempt, runner=runner, lease_until=lease))

    def report(self, items: Iterable[Mapping[str, Any]], *, runner: int, now: datetime) -> list[tuple[int, bool]]:
        """Return the status of each item and whether its runner is told to stop the attempt."""
        replies: list[tuple[int, bool]] = []
        ended: list[ModelAttempt] = []
        for item in items:
            found = [a for a in self.all if (a.job.id, a.number) == (item["job"], item["attempt"])]
            if not found or found[0].runner != runner:
                replies.append((404, True))
                continue
            (attempt,) = found
            if attempt.is_over():
                status = 200 if item["event"] in ENDS and _said(item) == attempt.recorded else 409
            else:
                status = _take(item, attempt, now=now)
                if attempt.is_over():
                    ended.append(attempt)
                elif status == 200:
                    _renew(attempt, now=now)
            replies.append((status, status == 409 or bool(attempt.stop_reason and not attempt.is_over())))
        finish(ended, now=now)
        return replies

    def stop(self, *, now: datetime) -> None:
        """Ask to stop what was cancelled or has run too long; what has not begun is over at once."""
        ended = []
        for attempt in self.live:
            too_long = attempt.deadline_at is not None and attempt.deadline_at < now
            if attempt.stop_reason or not (attempt.job.cancel_requested or too_long):
                continue
            attempt.stop_reason = "cancel" if attempt.job.cancel_requested else "timeout"
            if not attempt.started:
                attempt.outcome, attempt.reason = "cancelled", "cancelled"
                attempt.recorded = ("cancelled", "cancelled")
                ended.append(attempt)
        finish(ended, now=now)

    def expire(self, *, now: datetime) -> None:
        """End what went silent; if nobody looked for long, give everybody a lease once more instead."""
        if self.expired_at is None or self.expired_at < now - 2 * INTERVAL:
            for attempt in self.live:
                attempt.lease_until = max(attempt.lease_until, now + timedelta(seconds=LEASE_SECONDS))
        else:
            over = [attempt for attempt in self.live if attempt.lease_until < now]
            for attempt in over:
                if not attempt.started:
                    attempt.outcome, attempt.reason = "returned", "never_started"
                elif attempt.stop_reason == "timeout":
                    attempt.outcome, attempt.reason = "timed_out", "timeout"
                else:
                    attempt.outcome, attempt.reason = "lost", "lease_over"
            finish(over, now=now)
        self.expired_at = now


def finish(ended: list[ModelAttempt], *, now: datetime) -> None:
    """Move the jobs of the attempts that ended together, then settle their pipelines."""
    pipelines = {attempt.job.pipeline for attempt in ended}
    stopped = {pipeline for pipeline in pipelines if pipeline.is_stopped}
    for attempt in ended:
        _finish(attempt, pipeline_stopped=attempt.job.pipeline in stopped, now=now)
    for pipeline in pipelines:
        settle(pipeline, now=now)


def _take(item: Mapping[str, Any], attempt: ModelAttempt, *, now: datetime) -> int:
    """Do what the item says to a live attempt."""
    job = attempt.job
    if item["event"] == "started":
        if attempt.stop_reason or job.cancel_requested:
            return 409
        if attempt.started:
            return 200 if attempt.worker == item["worker"] else 409
        attempt.started, attempt.worker = True, item["worker"]
        attempt.deadline_at = now + timedelta(seconds=job.timeout) if job.timeout else None
        job.unstarted = 0
    elif item["event"] == "progress":
        job.progress = item["progress"]
    elif item["event"] in ENDS:
        if item["event"] == "finished" and not attempt.started:
            attempt.started, job.unstarted = True, 0
        attempt.recorded = _said(item)
        attempt.outcome, attempt.reason = attempt.recorded
        if attempt.outcome == "cancelled" and not (attempt.stop_reason == "cancel" or job.cancel_requested):
            attempt.outcome = "timed_out" if attempt.stop_reason == "timeout" else "failed"
    return 200


def _said(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return the outcome and the reason of an end reported."""
    return item.get("outcome", "returned"), item.get("reason", "")


def _renew(attempt: ModelAttempt, *, now: datetime) -> None:
    if not attempt.stop_reason:
        attempt.lease_until = now + timedelta(seconds=LEASE_SECONDS)
        return
    attempt.stop_by = attempt.stop_by or now + timedelta(seconds=STOP_GRACE_SECONDS)
    attempt.lease_until = min(attempt.lease_until, attempt.stop_by)


def _finish(attempt: ModelAttempt, *, pipeline_stopped: bool, now: datetime) -> None:
    job, outcome = attempt.job, attempt.outcome
    job.reason = attempt.reason
    if outcome == "succeeded":
        job.progress = 100
        job.move(DONE)
    elif job.cancel_requested:
        _cancel(job, reason="pipeline_cancelled" if job.pipeline.cancel_requested else "cancelled", now=now)
    elif outcome in ("failed", "timed_out", "cancelled"):
        job.failures += 1
        if pipeline_stopped or job.failures > job.retry_attempt:
            job.move(ERROR)
        else:
            _again(job, tries=job.failures, now=now)
    elif pipeline_stopped:
        _cancel(job, reason="pipeline_failed", now=now)
    elif outcome == "lost":
        job.losses += 1
        if job.losses > LOSS_LIMIT:
            job.reason = "runner_lost"
            job.move(ERROR)
        else:
            _again(job, tries=job.losses, now=now)
    else:
        job.unstarted = job.unstarted + 1 if attempt.reason == "never_started" else 0
        if job.unstarted >= UNSTARTED_LIMIT:
            job.move(ERROR)
        else:
            _again(job, tries=1, now=now)


def _cancel(job: ModelJob, *, reason: str, now: datetime) -> None:
    job.move(READY)
    job.eligible_at = now
    job.cancel(reason=reason)


def _again(job: ModelJob, *, tries: int, now: datetime) -> None:
    job.move(READY)
    pause = timedelta(seconds=2.0 ** (tries - 1))
    job.back_off = (now + 0.8 * pause, now + 1.2 * pause)
