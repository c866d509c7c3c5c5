"""Sets of rows that have a name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models
from django.db.models import Case, Q, Value, When
from django.db.models.expressions import RawSQL

from clients import rows
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


# A cluster's last sync counts for so long; idle ones are synced every 15 seconds.
_SYNC_SECONDS = 60


def online_condition(now: datetime) -> Q:
    """Return what makes a runner online.

    server: it reported lately, be it an empty list; kubernetes: the last sync succeeded, and is not long ago.
    """
    reported = Q(type="server", seen_at__gte=now - timedelta(seconds=settings.RUNNER_OFFLINE_SECONDS))
    synced = Q(type="kubernetes", cluster__error="", cluster__synced_at__gte=now - timedelta(seconds=_SYNC_SECONDS))
    return reported | synced


class RunnerQuerySet(models.QuerySet["Runner"]):
    def with_use(self) -> RunnerQuerySet:
        """Annotate `in_use`, its live attempts, read from their own index however many are over."""
        return self.annotate(
            in_use=RawSQL(
                "(SELECT count(*) FROM runners_attempt WHERE runner_id = runners_runner.id AND outcome = '')",
                (),
                output_field=models.IntegerField(),
            )
        )

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

    def leased(self) -> AttemptQuerySet:
        """Return the live attempts whose runner must renew their lease.

        Those in a cluster are not among them: the service follows them itself, and one is lost only when a
        successful listing lacks its object.
        """
        return self.live().exclude(runner__type="kubernetes")

    def of(self, keys: Iterable[tuple[int, int]]) -> list[Attempt]:
        """Return the attempts of these jobs and numbers as they stand."""
        keys = list(keys)
        statement = """
            SELECT {columns} FROM unnest(%s::bigint[], %s::integer[]) AS asked (job, number)
            JOIN runners_attempt ON runners_attempt.job_id = asked.job AND runners_attempt.number = asked.number
        """
        return rows.read(self.model, statement, [[job for job, _ in keys], [number for _, number in keys]])

    def begin(self, attempts: Sequence[Mapping[str, Any]], *, lease_until: datetime, now: datetime) -> None:
        """Insert live attempts in their order, each of a job, with its number and runner.

        Raw SQL: the ORM takes longer to build an INSERT of a hundred wide rows than all the rest of a claim.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO runners_attempt
                    (job_id, number, runner_id, runner_name, worker, claimed_at, sent_at, lease_until, stop_reason,
                     outcome, reason, message, evidence, log_size)
                SELECT job, number, runner, runner_name, '', %(now)s, %(now)s, %(lease_until)s, '', '', '', '', '{}', 0
                FROM ROWS FROM (jsonb_to_recordset(%(attempts)s::jsonb)
                    AS (job bigint, number integer, runner bigint, runner_name text)
                ) WITH ORDINALITY AS given (job, number, runner, runner_name, place)
                ORDER BY place
                """,
                {"attempts": json.dumps(attempts), "lease_until": lease_until, "now": now},
            )

    def write(self, attempts: Iterable[Attempt]) -> None:
        """Write what changed of the attempts in one UPDATE; the caller holds their jobs' row locks."""
        written = [
            {"id": attempt.pk, **{name: getattr(attempt, name) for name in _ATTEMPT_COLUMNS}} for attempt in attempts
        ]
        bulk.update_rows("runners_attempt", written, types=_ATTEMPT_COLUMNS)
