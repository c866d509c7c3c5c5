"""The invariants of contract section 8, checked from the rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, Max, OuterRef, Q

from pipelines.models import Job, Pipeline, Stage
from pipelines.states import FINISHED, UNFINISHED, State
from pipelines.sweeping import overdue_pipelines
from runners import leases, pool
from runners.models import Attempt, Sweep

logger = logging.getLogger(__name__)

_SHOWN = 10


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold, and the first rows that break it."""

    rule: str
    count: int
    examples: list[str]


def check(*, now: datetime) -> list[Violation]:
    """Return the invariants that do not hold; none is what it should be."""
    found = []
    for rule, broken_by in RULES.items():
        rows = [str(row) for row in broken_by(now)]
        if rows:
            found.append(Violation(rule=rule, count=len(rows), examples=rows[:_SHOWN]))
    return found


def log_violations(*, now: datetime) -> list[Violation]:
    """Check and log each violation as an error."""
    violations = check(now=now)
    for violation in violations:
        logger.error(
            "invariant broken",
            extra={"rule": violation.rule, "count": violation.count, "examples": violation.examples},
        )
    return violations


def _service_over_limit(now: datetime) -> Iterable[Any]:
    in_use = Job.objects.filter(state=State.IN_PROGRESS).count()
    since = Attempt.objects.live().filter(claimed_at__gt=OuterRef("limit_changed_at"))
    over = Sweep.objects.filter(Exists(since), pk=pool.TOP_UP, limit__lt=in_use)
    return [f"service: {in_use}/{sweep.limit}" for sweep in over]


def _client_over_limit(now: datetime) -> Iterable[Any]:
    running = Job.objects.filter(state=State.IN_PROGRESS, client__queue_size__isnull=False).order_by()
    in_use = running.values("client__client_id", "client__queue_size").annotate(
        # Distinct: joined with its attempts, a job comes once for each.
        jobs=Count("pk", distinct=True),
        last_claim=Max("attempts__claimed_at", filter=Q(attempts__outcome="")),
    )
    over = in_use.filter(jobs__gt=F("client__queue_size"), last_claim__gt=F("client__limits_changed_at"))
    return [f"client {row['client__client_id']}: {row['jobs']}/{row['client__queue_size']}" for row in over]


def _runner_over_capacity(now: datetime) -> Iterable[Any]:
    in_use = Attempt.objects.live().order_by().values("runner__name", "runner__capacity")
    in_use = in_use.annotate(attempts=Count("pk"), last_claim=Max("claimed_at"))
    over = in_use.filter(attempts__gt=F("runner__capacity"), last_claim__gt=F("runner__capacity_changed_at"))
    return [f"runner {row['runner__name']}: {row['attempts']}/{row['runner__capacity']}" for row in over]


def _lease_long_over(now: datetime) -> Iterable[Any]:
    return Attempt.objects.leased().filter(lease_until__lt=now - 2 * leases.interval())


def _progress_without_one_attempt(now: datetime) -> Iterable[Any]:
    """A job in progress has exactly one live attempt, its latest; any other job has none."""
    live = Attempt.objects.live().filter(job=OuterRef("pk"), number=OuterRef("attempt"))
    idle = Job.objects.filter(~Exists(live), state=State.IN_PROGRESS)
    haunted = Attempt.objects.live().exclude(job__state=State.IN_PROGRESS)
    return [*(f"job {pk}" for pk in idle.values_list("pk", flat=True)), *haunted]


def _open_too_early(now: datetime) -> Iterable[Any]:
    earlier = Stage.objects.filter(pipeline=OuterRef("pipeline"), position__lt=OuterRef("position"))
    stages = Stage.objects.filter(
        Exists(earlier.exclude(state=State.DONE)), opened_at__isnull=False, pipeline__state__in=UNFINISHED
    )
    return [f"stage {pk}" for pk in stages.values_list("pk", flat=True)]


def _finished_with_work(now: datetime) -> Iterable[Any]:
    unfinished = Job.objects.filter(pipeline=OuterRef("pk"), state__in=UNFINISHED)
    pipelines = Pipeline.objects.filter(Exists(unfinished), state__in=FINISHED)
    return [f"pipeline {pk}" for pk in pipelines.values_list("pk", flat=True)]


def _unfinished_without_work(now: datetime) -> Iterable[Any]:
    return [f"pipeline {pk}" for pk in overdue_pipelines()]


RULES: dict[str, Callable[[datetime], Iterable[Any]]] = {
    "service_limit": _service_over_limit,
    "client_limit": _client_over_limit,
    "runner_capacity": _runner_over_capacity,
    "lease_over": _lease_long_over,
    "one_live_attempt": _progress_without_one_attempt,
    "stage_order": _open_too_early,
    "finished_pipeline_with_unfinished_jobs": _finished_with_work,
    "unfinished_pipeline_with_nothing_left": _unfinished_without_work,
}
