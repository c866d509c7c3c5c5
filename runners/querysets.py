"""Sets of rows that have a name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, Q, Value, When

from pipelines import bulk

if TYPE_CHECKING:
    from runners.models import Attempt
    from runners.models import Runner as Runner

# What changes of an attempt after it was claimed, and as which SQL type it travels.
_ATTEMPT_COLUMNS = {
    "worker": "text",
    "sent_at": "timestamptz",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
    "lease_until": "timestamptz",
    "deadline_at": "timestamptz",
    "stop_requested_at": "timestamptz",
    "stop_reason": "text",
    "stop_by": "timestamptz",
    "outcome": "text",
    "exit_code": "integer",
    "signal": "integer",
    "reason": "text",
    "message": "text",
    "evidence": "jsonb",
    "log_size": "bigint",
}


def online_condition(now: datetime) -> Q:
    """Return what makes a runner online: a server runner reported lately, be it an empty list."""
    return Q(type="server", seen_at__gte=now - timedelta(seconds=settings.RUNNER_OFFLINE_SECONDS))


class RunnerQuerySet(models.QuerySet["Runner"]):
    def with_use(self) -> RunnerQuerySet:
        """Annotate `in_use`, its live attempts."""
        return self.annotate(in_use=Count("attempts", filter=Q(attempts__outcome="")))

    def with_online(self, now: datetime) -> RunnerQuerySet:
        """Annotate `is_online`."""
        return self.annotate(
            is_online=Case(
                When(online_condition(now), then=Value(True)), default=Value(False), output_field=models.BooleanField()
            )
        )

    def open(self, now: datetime) -> RunnerQuerySet:
        """Return those that may be given work: online and not paused."""
        return self.filter(online_condition(now), paused_at__isnull=True)


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def live(self) -> AttemptQuerySet:
        """Return the attempts that are not over."""
        return self.filter(outcome="")

    def write(self, attempts: Iterable[Attempt]) -> None:
        """Write what changed of the attempts in one UPDATE; the caller holds their jobs' row locks."""
        rows = [
            {"id": attempt.pk, **{name: getattr(attempt, name) for name in _ATTEMPT_COLUMNS}} for attempt in attempts
        ]
        bulk.update_rows("runners_attempt", rows, types=_ATTEMPT_COLUMNS)
