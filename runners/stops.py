"""Stops: the wish to end running work, noted on its attempt and told to its runner."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from pipelines.models import Job, Pipeline
from runners.executors import executor_for
from runners.finishing import End, finish
from runners.models import Attempt, Outcome, StopReason


def stop_attempts(*, now: datetime) -> int:
    """Ask to stop what was cancelled or has run past its timeout by our clock; return how many attempts that were.

    The runner hears at once by a message and once more in the reply to its next report. An attempt that has not
    started is over at once: its runner begins nothing before `started` was accepted, and from now on it is refused.
    """
    due = list(Attempt.objects.live().filter(_due(now), stop_requested_at=None).values_list("job_id", "job__pipeline"))
    stopped = _mark([job for job, _ in due], pipelines=[pipeline for _, pipeline in due], now=now) if due else []
    tell(stopped)
    return len(due)


def tell(attempts: Iterable[Attempt]) -> None:
    """Send the runners of the attempts the message to stop them."""
    of_runner: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for attempt in attempts:
        if attempt.runner is not None:
            key = (attempt.runner.type, attempt.runner.name)
            of_runner.setdefault(key, []).append((attempt.job_id, attempt.number))
    for (runner_type, name), keys in of_runner.items():
        executor_for(runner_type).stop(name, keys)


def _due(now: datetime) -> Q:
    return Q(job__cancel_requested_at__isnull=False) | Q(deadline_at__lt=now)


@transaction.atomic
def _mark(jobs: list[int], *, pipelines: list[int], now: datetime) -> list[Attempt]:
    locked = Pipeline.objects.lock(pipelines)
    by_id = {job.pk: job for job in Job.objects.lock(jobs)}
    attempts = list(
        Attempt.objects.live().filter(_due(now), job__in=by_id, stop_requested_at=None).select_related("runner")
    )
    ends = []
    for attempt in attempts:
        job = by_id[attempt.job_id]
        asked = StopReason.CANCEL if job.cancel_requested_at else StopReason.TIMEOUT
        attempt.request_stop(reason=asked, now=now)
        if attempt.started_at is None:
            attempt.end(outcome=Outcome.CANCELLED, now=now, reason="cancelled")
            ends.append(End(attempt=attempt, job=job))
    finish(ends, pipelines=locked, now=now)
    Attempt.objects.write(attempts)
    return [attempt for attempt in attempts if not attempt.is_over]
