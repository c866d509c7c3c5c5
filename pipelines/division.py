"""The divider: a document becomes stages and jobs, all in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import DataError, IntegrityError, connection, transaction

from clients import rows
from pipelines import clock, moves
from pipelines.definition import Document, JobSpec
from pipelines.models import Contents, Job, Pipeline, Stage, Submission
from pipelines.nudges import nudge
from pipelines.states import UNFINISHED, State

logger = logging.getLogger(__name__)

DIVISION_FAILED = "division_failed"
# Raw SQL: the database reads the JSON itself and makes the rows in one statement each, so that ten thousand jobs, the
# text of a large document included, never become objects here.
_INSERT_STAGES = """
INSERT INTO pipelines_stage (pipeline_id, name, position, state, warnings, opened_at)
SELECT %(pipeline)s, name, number - 1, 'READY', 0, CASE number WHEN 1 THEN %(now)s END
FROM json_array_elements_text({stages}) WITH ORDINALITY AS given (name, number)
ORDER BY number
"""
# A job of a stage that is not there has none, which the table refuses.
_INSERT_JOBS = """
INSERT INTO pipelines_job
    (pipeline_id, stage_id, client_id, pipeline_priority, stage_position, name, kind, version, priority, params,
     retry_attempt, allow_failure, timeout, state, reason, attempt, failures, losses, unstarted, progress, message,
     runner_name, eligible_at)
SELECT %(pipeline)s, stage.id, %(client)s, %(priority)s, stage.position, given.name, given.kind, given.version,
    given.priority, given.params, given.retry_attempt, given.allow_failure, given.timeout, 'READY', '', 0, 0, 0, 0, 0,
    '', '', stage.opened_at
FROM ROWS FROM (json_to_recordset({jobs}) AS (
    stage text, name text, kind text, version text, priority smallint, params jsonb, retry_attempt smallint,
    allow_failure boolean, timeout integer
)) WITH ORDINALITY AS given
    (stage, name, kind, version, priority, params, retry_attempt, allow_failure, timeout, number)
LEFT JOIN pipelines_stage AS stage ON stage.pipeline_id = %(pipeline)s AND stage.name = given.stage
ORDER BY number
"""
_KEPT = "(SELECT document::json -> '{part}' FROM pipelines_submission WHERE pipeline_id = %(pipeline)s)"


def divide(pipeline: Pipeline, *, document: Document, now: datetime) -> Contents:
    """Write the pipeline's stages and jobs, the first stage open, and return them; ids grow in document order.

    Runs in the caller's transaction, who made the pipeline in it with `divided` set.
    """
    stages = rows.read(
        Stage,
        _INSERT_STAGES.format(stages="%(stages)s::json") + "RETURNING {columns}",
        {"pipeline": pipeline.pk, "stages": orjson.dumps(document.stages).decode(), "now": now},
    )
    return Contents(stages, insert_jobs(pipeline, jobs=document.jobs))


def insert_jobs(pipeline: Pipeline, *, jobs: Sequence[JobSpec]) -> list[Job]:
    """Write jobs of stages that exist and return them, each eligible from when its stage opened."""
    statement = _INSERT_JOBS.format(jobs="%(jobs)s::json") + "RETURNING {columns}"
    return rows.read(Job, statement, {"jobs": orjson.dumps(jobs).decode(), **_of(pipeline)})


def _divide_kept(pipeline: Pipeline, *, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_STAGES.format(stages=_KEPT.format(part="stages")), {**_of(pipeline), "now": now})
        cursor.execute(_INSERT_JOBS.format(jobs=_KEPT.format(part="jobs")), _of(pipeline))
    Pipeline.objects.filter(pk=pipeline.pk).update(divided=True)


def _of(pipeline: Pipeline) -> dict[str, Any]:
    return {"pipeline": pipeline.pk, "client": pipeline.client_id, "priority": pipeline.priority}


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
            _divide_kept(pipeline, now=clock.now())
            if not Submission.objects.filter(pk=pipeline_id).delete()[0]:
                raise Submission.DoesNotExist
            nudge()
            return True
    except (DataError, IntegrityError, Submission.DoesNotExist):
        # The database away is another matter: it raises, and the sweep tries again.
        logger.exception("division failed", extra={"pipeline": pipeline_id})
        _fail(pipeline_id)
        return True


def _fail(pipeline_id: int) -> None:
    now = clock.now()
    with transaction.atomic():
        undivided = [pipeline.pk for pipeline in Pipeline.objects.lock([pipeline_id]) if not pipeline.divided]
        Submission.objects.filter(pk=pipeline_id).delete()
        moves.move_parents(
            Pipeline, ids=undivided, source=UNFINISHED, target=State.ERROR, now=now, reason=DIVISION_FAILED
        )
