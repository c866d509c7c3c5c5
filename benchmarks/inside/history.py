"""What costs what, beside a history of finished jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from benchmarks.documents import document
from benchmarks.inside.answering import answer
from benchmarks.inside.backlog import JOBS_PER_PIPELINE, fill
from benchmarks.inside.claims import claim
from clients.models import Client
from pipelines import definition, submitting
from pipelines.api import showing, summaries
from pipelines.definition import Limits

_PAGE = 50
_FIRST_ID = 100_000_000  # beyond those of the backlog
_LAST_ID = 10**12  # before those of what is submitted
# One pipeline of ten jobs, one stage, one attempt a job and all events of them: what ten jobs that succeeded leave.
_FINISHED = """
WITH pipeline AS (
    INSERT INTO pipelines_pipeline
        (id, client_id, name, priority, labels, callback_url, state, reason, warnings, divided, declared_jobs,
         started_at, finished_at)
    SELECT n, %(first_client)s + n %% %(clients)s, '', 10, '{}', '', 'DONE', '', 0, true, %(each)s, now(), now()
    FROM generate_series(%(begin)s, %(end)s - 1) AS n
), stage AS (
    INSERT INTO pipelines_stage (id, pipeline_id, name, position, state, warnings, opened_at, finished_at)
    SELECT n, n, 'run', 0, 'DONE', 0, now(), now() FROM generate_series(%(begin)s, %(end)s - 1) AS n
), job AS (
    INSERT INTO pipelines_job
        (id, pipeline_id, stage_id, client_id, pipeline_priority, stage_position, name, kind, version, priority, params,
         retry_attempt, allow_failure, state, reason, attempt, failures, losses, unstarted, progress, message,
         runner_name, exit_code, eligible_at, started_at, finished_at)
    SELECT n * %(each)s + job, n, n, %(first_client)s + n %% %(clients)s, 10, 0, 'job ' || job, 'Shell', '1.0.0', 10,
        '{"command": ["true"]}', 0, false, 'DONE', '', 1, 0, 0, 0, 100, '', 'bench', 0, now(), now(), now()
    FROM generate_series(%(begin)s, %(end)s - 1) AS n, generate_series(0, %(each)s - 1) AS job
    RETURNING id, pipeline_id, stage_id
), attempt AS (
    INSERT INTO runners_attempt
        (job_id, number, runner_name, worker, claimed_at, sent_at, started_at, finished_at, lease_until, stop_reason,
         outcome, exit_code, reason, message, evidence, log_size)
    SELECT id, 1, 'bench', '', now(), now(), now(), now(), now(), '', 'succeeded', 0, '', '', '{}', 0 FROM job
)
INSERT INTO pipelines_event
    (pipeline_id, subject, stage_id, job_id, attempt, runner_name, from_state, to_state, reason)
SELECT pipeline_id, 'job', stage_id, id, 1, 'bench', edge[1], edge[2], '' FROM job,
    (VALUES (ARRAY['', 'READY']), (ARRAY['READY', 'IN_PROGRESS']), (ARRAY['IN_PROGRESS', 'DONE'])) AS edges (edge)
"""
_SLICE = 10_000  # pipelines a statement


class History:
    """A backlog, and more and more that is over."""

    def __init__(self) -> None:
        self._pipelines = 0
        self._clients: list[Client] = []
        self._numbers = count()
        self._document = definition.parse(
            document(stages=3, jobs=1), media_type="application/json", limits=Limits(max_jobs=10)
        )

    def begin(self, *, jobs: int, clients: int) -> None:
        fill(jobs=jobs, clients=clients)
        with connection.cursor() as cursor:
            for table in ("pipelines_pipeline", "pipelines_stage", "pipelines_job"):
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), %s)", [_LAST_ID])
        self._clients = list(Client.objects.filter(name__startswith="client ").order_by("id"))

    def grow(self, *, jobs: int) -> None:
        """Have so many finished jobs there, each of which is five rows."""
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("SET statement_timeout = 0")
            while self._pipelines < jobs // JOBS_PER_PIPELINE:
                end = min(self._pipelines + _SLICE, jobs // JOBS_PER_PIPELINE)
                values: dict[str, Any] = {
                    "begin": _FIRST_ID + self._pipelines,
                    "end": _FIRST_ID + end,
                    "each": JOBS_PER_PIPELINE,
                    "first_client": self._clients[0].pk,
                    "clients": len(self._clients),
                }
                cursor.execute(_FINISHED, values)
                self._pipelines = end
            cursor.execute("SET session_replication_role = origin")
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")

    def page(self) -> float:
        """Return the seconds of reading the first page of a client's list."""
        client = self._any_client()
        return _seconds(lambda: summaries.newest(client, at_most=_PAGE + 1))

    def pipeline(self) -> float:
        """Return the seconds of reading a finished pipeline, or, while there is none, one that waits."""
        number = next(self._numbers) * 7919
        pk = _FIRST_ID + number % self._pipelines if self._pipelines else 1 + number % 100
        return _seconds(lambda: showing.find(pk, principal=User(is_staff=True)))

    def submission(self) -> float:
        """Return the seconds of writing a pipeline of three jobs."""
        client = self._any_client()
        return _seconds(lambda: submitting.submit(client, document=self._document))

    def _any_client(self) -> Client:
        return self._clients[next(self._numbers) % len(self._clients)]


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    history = History()
    asked = {"page": history.page, "pipeline": history.pipeline, "submission": history.submission}
    answer({"begin": history.begin, "grow": history.grow, "claim": claim, **asked})
