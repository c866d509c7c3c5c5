"""The divider: a document becomes stages and jobs, all in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import DataError, IntegrityError, connection, transaction

from clients import rows
from clients.models import Client
from pipelines import clock, inserts, moves
from pipelines.definition import Document, JobSpec, columns_of
from pipelines.models import Contents, Job, Pipeline, Submission, read_whole
from pipelines.nudges import nudge_for_work
from pipelines.states import UNFINISHED, State

logger = logging.getLogger(__name__)

DIVISION_FAILED = "division_failed"


def divide(client: Client, *, document: Document, now: datetime | None) -> tuple[Pipeline, Contents]:
    """Write the client's pipeline with its stages and jobs, the first stage open, and return them.

    One statement, in the caller's transaction or one of its own. Ids grow in document order.
    """
    values = {
        **_values(client, document=document, divided=True),
        "now": now,
        "stages": orjson.dumps(document.stages).decode(),
        "jobs": orjson.dumps(columns_of(document.jobs)).decode(),
    }
    ((pipeline, contents),) = read_whole(inserts.WHOLE, values)
    pipeline.client = client
    return pipeline, contents


def leave(client: Client, *, document: Document) -> Pipeline:
    """Write the client's pipeline and keep its document for `divide_submitted`; in the caller's transaction."""
    values = _values(client, document=document, divided=False)
    (pipeline,) = rows.read(Pipeline, inserts.PIPELINE + "RETURNING {columns}", values)
    pipeline.client = client
    Submission.objects.create(pipeline=pipeline, document=document.to_json().decode())
    return pipeline


def insert_jobs(pipeline: Pipeline, *, jobs: Sequence[JobSpec]) -> list[Job]:
    """Write jobs of stages that exist and return them, each eligible from when its stage opened."""
    return rows.read(Job, inserts.ADDED, {"jobs": orjson.dumps(columns_of(jobs)).decode(), **_of(pipeline)})


def _values(client: Client, *, document: Document, divided: bool) -> dict[str, Any]:
    return {
        "client": client.pk,
        "name": document.name,
        "priority": document.priority,
        "labels": orjson.dumps(document.labels).decode(),
        "callback_url": document.callback_url,
        "declared_jobs": len(document.jobs),
        "divided": divided,
    }


def _divide_kept(pipeline: Pipeline, *, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(inserts.KEPT, {**_of(pipeline), "now": now})
        if cursor.rowcount != pipeline.declared_jobs:
            raise DataError(f"of {pipeline.declared_jobs} jobs {cursor.rowcount} were made")
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
            nudge_for_work()
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
