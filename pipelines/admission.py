"""Backpressure: may this many more jobs wait? Exact under racing submissions, refused before anything is written."""

from __future__ import annotations

import math
from datetime import timedelta

from django.conf import settings
from django.db import connection

from clients.models import Client
from pipelines import clock
from pipelines.exceptions import LimitReached, NeverFits
from pipelines.models import Job
from pipelines.states import FINISHED

# Any number, as long as nothing else in this database uses it: the service's limit has no row to lock.
SERVICE_LOCK = 0x7461736B_61646D74
_DRAIN_WINDOW = timedelta(seconds=60)
# The READY jobs, up to a bound, and those that undivided pipelines declare. Raw SQL because it has to be one
# statement: a division that commits between two would be counted twice or not at all.
_WAITING = """
SELECT (SELECT count(*) FROM (
            SELECT FROM pipelines_job
            WHERE state = 'READY' AND (%(client)s::bigint IS NULL OR client_id = %(client)s) LIMIT %(at_most)s
        ) AS ready)
     + (SELECT COALESCE(sum(declared_jobs), 0) FROM pipelines_pipeline
        WHERE state IN ('READY', 'IN_PROGRESS') AND NOT divided
            AND (%(client)s::bigint IS NULL OR client_id = %(client)s))
"""


def admit(client: Client, *, jobs: int) -> None:
    """Raise LimitReached or NeverFits unless that many more jobs of the client may wait.

    To be called in the transaction that writes the jobs, before it locks anything else. Where there is a limit (the
    client's as this request has read it, or the service's) it takes the lock that makes racing submissions exact: the
    client's row, and for the service an advisory one.
    """
    if not is_limited(client):
        return
    if settings.MAX_READY_JOBS is not None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SERVICE_LOCK])
    client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    check_fits(client, jobs=jobs)
    for scope, limit, whose in _limits(client):
        in_use = _waiting(whose, at_most=limit + 1)
        if in_use + jobs > limit:
            raise LimitReached(
                scope=scope,
                limit=limit,
                in_use=in_use,
                requested=jobs,
                retry_after_seconds=_retry_after(whose, over=in_use + jobs - limit),
            )


def is_limited(client: Client) -> bool:
    """Tell whether the client's waiting jobs are limited: only then do its submissions take a lock."""
    return bool(_limits(client))


def check_fits(client: Client, *, jobs: int) -> None:
    """Raise NeverFits if that many jobs exceed a limit even when nothing else waits."""
    for scope, limit, _ in _limits(client):
        if jobs > limit:
            raise NeverFits(scope=scope, limit=limit, requested=jobs)


def _limits(client: Client) -> list[tuple[str, int, int | None]]:
    """Return the limits there are: the scope, how many jobs may wait, and whose: None means everybody's."""
    limits = [("client", client.max_ready_jobs, client.pk), ("service", settings.MAX_READY_JOBS, None)]
    return [(scope, limit, whose) for scope, limit, whose in limits if limit is not None]


def _waiting(client_id: int | None, *, at_most: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"client": client_id, "at_most": at_most})
        return int(cursor.fetchone()[0])


def _retry_after(client_id: int | None, *, over: int) -> int:
    """Estimate when so many have drained, from how many ended in the last minute: 1 to 300 seconds."""
    jobs = Job.objects.all() if client_id is None else Job.objects.filter(client=client_id)
    ended = jobs.filter(state__in=FINISHED, finished_at__gte=clock.now() - _DRAIN_WINDOW).count()
    if not ended:
        return 300
    return max(1, min(300, math.ceil(over * _DRAIN_WINDOW.total_seconds() / ended)))
