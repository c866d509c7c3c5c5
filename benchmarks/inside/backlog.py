"""A database full of READY jobs, written by the database itself: a million in a minute."""

from __future__ import annotations

from typing import Any

from django.db import connection

from clients.models import Client
from clients.registration import create_client
from pipelines import clock
from pipelines.states import State
from runners.models import Runner

KINDS = ("Shell", "Other", "Another")
JOBS_PER_PIPELINE = 10

_PIPELINES = """
INSERT INTO pipelines_pipeline
    (id, client_id, name, priority, labels, callback_url, state, reason, warnings, divided, declared_jobs)
SELECT n, %(first)s + (n - 1) %% %(clients)s, '', 10, '{}', '', %(ready)s, '', 0, true, %(each)s
FROM generate_series(1, %(pipelines)s) AS n
"""
_STAGES = """
INSERT INTO pipelines_stage (id, pipeline_id, name, position, state, warnings, opened_at)
SELECT n, n, 'run', 0, %(ready)s, 0, now() FROM generate_series(1, %(pipelines)s) AS n
"""
_JOBS = """
INSERT INTO pipelines_job
    (pipeline_id, stage_id, client_id, pipeline_priority, stage_position, name, kind, version, priority, params,
     retry_attempt, allow_failure, state, reason, attempt, failures, losses, unstarted, progress, message,
     runner_name, eligible_at)
SELECT 1 + n / %(each)s, 1 + n / %(each)s, %(first)s + (n / %(each)s) %% %(clients)s, 10, 0, 'job ' || n,
       (%(kinds)s::text[])[1 + n %% %(kinds_count)s], '1.0.0', 10, '{"command": ["true"]}',
       0, false, %(ready)s, '', 0, 0, 0, 0, 0, '', '', now()
FROM generate_series(0, %(jobs)s - 1) AS n
"""


def fill(*, jobs: int, clients: int, runners: int = 1) -> None:
    """Write so many READY jobs, all eligible, spread evenly over the clients and three kinds, and runners for all.

    Without triggers and foreign keys: the rows are what the service would have written, their history is left out.
    """
    seed = create_client("seed").client
    columns = ", ".join(
        field.attname for field in Client._meta.concrete_fields if field.name not in ("id", "client_id", "name")
    )
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            f"INSERT INTO clients_client (client_id, name, {columns}) "
            f"SELECT 'client ' || n, 'client ' || n, {columns} FROM clients_client, generate_series(1, %s) AS n "
            "WHERE id = %s",
            [clients, seed.pk],
        )
        values: dict[str, Any] = {
            "first": Client.objects.get(name="client 1").pk,
            "clients": clients,
            "jobs": jobs,
            "pipelines": jobs // JOBS_PER_PIPELINE,
            "each": JOBS_PER_PIPELINE,
            "kinds": list(KINDS),
            "kinds_count": len(KINDS),
            "ready": str(State.READY),
        }
        for statement in (_PIPELINES, _STAGES, _JOBS):
            cursor.execute(statement, values)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    now = clock.now()
    Runner.objects.bulk_create(
        Runner(name=f"bench {number}", capacity=jobs, kinds=list(KINDS), seen_at=now) for number in range(runners)
    )
