"""What an attempt's end means for its job: a pure decision."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from pipelines import settling
from pipelines.models import Job
from pipelines.states import State
from runners.models import Outcome

RUNNER_LOST = "runner_lost"
NEVER_STARTED = "never_started"
# In a row, then the job ends: something about it or its runner keeps it from ever starting.
UNSTARTED_LIMIT = 10
_BACKOFF_CAP_SECONDS = 300.0
_JITTER = 0.2


@dataclass(frozen=True)
class Verdict:
    """Where the job goes and what is written with it; `cancelled` tells why it then ends CANCELLED, if it does."""

    target: State
    values: dict[str, Any] = field(default_factory=dict)
    cancelled: str = ""


def decide(
    job: Job, *, outcome: Outcome, reason: str, pipeline_stopped: bool, pipeline_cancelled: bool, now: datetime
) -> Verdict:
    """Return the job's move after its attempt ended with that outcome (contract section 4)."""
    if outcome == Outcome.SUCCEEDED:
        return Verdict(State.DONE, {"progress": 100})
    if job.cancel_requested_at is not None:
        # Never retried; the attempt keeps its true outcome.
        return _cancel(reason=settling.PIPELINE_CANCELLED if pipeline_cancelled else settling.CANCELLED, now=now)
    if outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED):
        return _failed(job, pipeline_stopped=pipeline_stopped, now=now)
    if pipeline_stopped:
        return _cancel(reason=settling.PIPELINE_FAILED, now=now)
    if outcome == Outcome.LOST:
        return _lost(job, now=now)
    return _returned(job, reason=reason, now=now)


def _cancel(*, reason: str, now: datetime) -> Verdict:
    return Verdict(State.READY, {"eligible_at": now}, cancelled=reason)


def _failed(job: Job, *, pipeline_stopped: bool, now: datetime) -> Verdict:
    failures = job.failures + 1
    if pipeline_stopped or failures > job.retry_attempt:
        return Verdict(State.ERROR, {"failures": failures})
    return Verdict(State.READY, {"failures": failures, "eligible_at": now + backoff(failures)})


def _lost(job: Job, *, now: datetime) -> Verdict:
    losses = job.losses + 1
    if losses > settings.LOSS_LIMIT:
        return Verdict(State.ERROR, {"losses": losses, "reason": RUNNER_LOST})
    return Verdict(State.READY, {"losses": losses, "eligible_at": now + backoff(losses)})


def _returned(job: Job, *, reason: str, now: datetime) -> Verdict:
    unstarted = job.unstarted + 1 if reason == NEVER_STARTED else 0
    if unstarted >= UNSTARTED_LIMIT:
        return Verdict(State.ERROR, {"unstarted": unstarted, "reason": NEVER_STARTED})
    return Verdict(State.READY, {"unstarted": unstarted, "eligible_at": now + backoff(1)})


def backoff(failures: int) -> timedelta:
    """Return the pause after so many failures: doubling from RETRY_BACKOFF_SECONDS, jittered, never past the cap."""
    doubled = settings.RETRY_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 30)
    seconds = min(doubled, _BACKOFF_CAP_SECONDS / (1 + _JITTER))
    # Jitter spreads the retries of jobs that failed together; it is no secret.
    return timedelta(seconds=seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
