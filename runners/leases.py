"""Leases: while one holds, work may be running; what went silent is taken back once it is over."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Greatest

from pipelines.models import Job, Pipeline
from runners.finishing import End, finish
from runners.models import Attempt, Outcome, StopReason, Sweep
from runners.verdicts import NEVER_STARTED

logger = logging.getLogger(__name__)

EXPIRE = "expire"
LEASE_OVER = "lease_over"
_BATCH = 500


def interval() -> timedelta:
    """Return how often expiry rounds run."""
    return timedelta(seconds=min(5.0, settings.LEASE_SECONDS / 4))


def expire(*, now: datetime) -> int:
    """End the attempts whose lease is over; return how many.

    After the service itself was down for two intervals, so that nobody could have renewed anything, the first round
    extends every lease once instead.
    """
    last = Sweep.objects.last_success(EXPIRE)
    if last is None or last < now - 2 * interval():
        _extend_all(now=now)
        Sweep.objects.record(EXPIRE, now=now)
        return 0
    expired = 0
    over = Attempt.objects.leased().filter(lease_until__lt=now).order_by("lease_until")
    while batch := list(over.values_list("job_id", "job__pipeline")[:_BATCH]):
        ended = _expire_batch(batch, now=now)
        expired += ended
        if not ended:
            break
    Sweep.objects.record(EXPIRE, now=now)
    return expired


@transaction.atomic
def _expire_batch(batch: list[tuple[int, int]], *, now: datetime) -> int:
    pipelines = Pipeline.objects.lock(pipeline for _, pipeline in batch)
    jobs = {job.pk: job for job in Job.objects.lock(job for job, _ in batch)}
    # Looked at again under the lock: a report may have renewed a lease meanwhile.
    attempts = list(Attempt.objects.live().filter(lease_until__lt=now, job__in=jobs))
    for attempt in attempts:
        _end(attempt, now=now)
    finish([End(attempt=a, job=jobs[a.job_id]) for a in attempts], pipelines=pipelines, now=now)
    Attempt.objects.write(attempts)
    for attempt in attempts:
        logger.warning(
            "lease over",
            extra={
                "job": attempt.job_id,
                "attempt": attempt.number,
                "runner": attempt.runner_name,
                "outcome": attempt.outcome,
            },
        )
    return len(attempts)


def _end(attempt: Attempt, *, now: datetime) -> None:
    runner = attempt.runner_name
    if attempt.started_at is None:
        outcome, reason = Outcome.RETURNED, NEVER_STARTED
        message = f"Runner {runner} did not start it before its lease was over."
    elif attempt.stop_reason == StopReason.TIMEOUT:
        outcome, reason = Outcome.TIMED_OUT, "timeout"
        message = f"It ran past its timeout, and runner {runner} did not confirm that it was stopped."
    else:
        outcome, reason = Outcome.LOST, LEASE_OVER
        message = f"Runner {runner} went silent while it ran."
    attempt.end(outcome=outcome, now=now, reason=reason, message=message)


def _extend_all(*, now: datetime) -> None:
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    with transaction.atomic():
        live = Attempt.objects.live().filter(lease_until__lt=until)
        list(Job.objects.lock(live.values_list("job_id", flat=True)))
        live.update(lease_until=Greatest("lease_until", until))
    logger.warning("leases extended: no expiry round ran lately")
