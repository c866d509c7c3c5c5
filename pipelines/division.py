"""The divider: a document becomes stages and jobs, all in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from psycopg.types.json import Jsonb

from pipelines import clock, moves
from pipelines.definition import Document, JobSpec
from pipelines.models import Pipeline, Stage, Submission
from pipelines.nudges import nudge
from pipelines.states import UNFINISHED, State

logger = logging.getLogger(__name__)

DIVISION_FAILED = "division_failed"
# The columns that COPY writes; the database fills in the rest.
_COLUMNS = (
    "pipeline_id", "stage_id", "client_id", "pipeline_priority", "stage_position", "name", "kind", "version",
    "priority", "params", "retry_attempt", "allow_failure", "timeout", "state", "reason", "attempt", "failures",
    "losses", "unstarted", "progress", "message", "runner_name", "eligible_at",
)  # fmt: skip


def divide(pipeline: Pipeline, *, document: Document, now: datetime) -> None:
    """Write the pipeline's stages and jobs, the first stage open; ids grow in document order.

    Runs in the caller's transaction, who made the pipeline in it or holds its row lock.
    """
    stages = Stage.objects.bulk_create(
        Stage(pipeline=pipeline, name=name, position=position, opened_at=None if position else now)
        for position, name in enumerate(document.stages)
    )
    insert_jobs(pipeline, jobs=document.jobs, stages={stage.name: stage for stage in stages})
    pipeline.divided = True
    Pipeline.objects.filter(pk=pipeline.pk).update(divided=True)


def insert_jobs(pipeline: Pipeline, *, jobs: tuple[JobSpec, ...], stages: dict[str, Stage]) -> None:
    """Write the jobs by COPY, each eligible from when its stage opened: 10,000 are ordinary."""
    # COPY: ten times as fast as objects saved in bulk.
    statement = f"COPY pipelines_job ({', '.join(_COLUMNS)}) FROM STDIN"
    # The wrapping makes psycopg's errors Django's, as `execute` does: callers tell bad values from a database away.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in _rows(pipeline, jobs=jobs, stages=stages):
            copy.write_row(row)


def _rows(pipeline: Pipeline, *, jobs: tuple[JobSpec, ...], stages: dict[str, Stage]) -> Iterator[tuple[Any, ...]]:
    for job in jobs:
        stage = stages[job.stage]
        yield (
            pipeline.pk, stage.pk, pipeline.client_id, pipeline.priority, stage.position, job.name, job.kind,
            job.version, job.priority, Jsonb(job.params), job.retry_attempt, job.allow_failure, job.timeout,
            str(State.READY), "", 0, 0, 0, 0, 0, "", "", stage.opened_at,
        )  # fmt: skip


def divide_submitted(pipeline_id: int) -> bool:
    """Divide a pipeline whose document waits; return whether there was anything to do.

    Idempotent: the submission is gone once its jobs exist, and a pipeline that ended meanwhile is left alone. A
    document that cannot be divided ends its pipeline in ERROR, `division_failed`.
    """
    try:
        with transaction.atomic():
            found = Pipeline.objects.lock([pipeline_id])
            if not found or found[0].divided or found[0].is_finished:
                return False
            (pipeline,) = found
            submission = Submission.objects.get(pk=pipeline_id)
            divide(pipeline, document=Document.from_json(submission.document), now=clock.now())
            submission.delete()
            nudge()
            return True
    except (KeyError, TypeError, ValueError, DataError, IntegrityError, Submission.DoesNotExist):
        # The database away is another matter: it raises, and the sweep tries again.
        logger.exception("division failed", extra={"pipeline": pipeline_id})
        _fail(pipeline_id)
        return True


def _fail(pipeline_id: int) -> None:
    now = clock.now()
    with transaction.atomic():
        Pipeline.objects.lock([pipeline_id])
        Submission.objects.filter(pk=pipeline_id).delete()
        moves.move_parents(
            Pipeline.objects.filter(divided=False),
            ids=[pipeline_id],
            source=UNFINISHED,
            target=State.ERROR,
            now=now,
            reason=DIVISION_FAILED,
        )
