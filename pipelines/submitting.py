"""A validated document becomes a pipeline: admitted, written and divided, or left to the divider."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from clients.models import Client
from pipelines import admission, division
from pipelines.definition import Document
from pipelines.models import Contents, Pipeline, Submission
from pipelines.nudges import DIVIDE, nudge


def submit(client: Client, *, document: Document, now: datetime) -> tuple[Pipeline, Contents]:
    """Write the client's pipeline in the caller's transaction; raise LimitReached or NeverFits before writing.

    Up to DIVIDE_INLINE_MAX_JOBS its jobs exist when this returns; beyond, `divided` is false, its contents are empty
    and the task `divide` makes them all in one transaction of its own.
    """
    admission.admit(client, jobs=len(document.jobs))
    is_small = len(document.jobs) <= settings.DIVIDE_INLINE_MAX_JOBS
    pipeline = Pipeline.objects.create(
        client=client,
        name=document.name,
        priority=document.priority,
        labels=document.labels,
        callback_url=document.callback_url,
        declared_jobs=len(document.jobs),
        divided=is_small,
    )
    if is_small:
        contents = division.divide(pipeline, document=document, now=now)
        nudge()
    else:
        contents = Contents([], [])
        Submission.objects.create(pipeline=pipeline, document=document.to_json().decode())
        nudge(DIVIDE, pipeline.pk)
    return pipeline, contents
