"""A validated document becomes a pipeline: admitted, written and divided, or left to the divider."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from clients.models import Client
from pipelines import admission, division
from pipelines.definition import Document
from pipelines.models import Pipeline, Submission
from pipelines.nudges import DIVIDE, nudge


def submit(client: Client, *, document: Document, now: datetime) -> Pipeline:
    """Write the client's pipeline in the caller's transaction; raise LimitReached or NeverFits before writing.

    Up to DIVIDE_INLINE_MAX_JOBS its jobs exist when this returns; beyond, `divided` is false and the task `divide`
    makes them all in one transaction of its own.
    """
    admission.admit(client.pk, jobs=len(document.jobs), now=now)
    pipeline = Pipeline.objects.create(
        client=client,
        name=document.name,
        priority=document.priority,
        labels=document.labels,
        callback_url=document.callback_url,
        declared_jobs=len(document.jobs),
    )
    if len(document.jobs) <= settings.DIVIDE_INLINE_MAX_JOBS:
        division.divide(pipeline, document=document, now=now)
        nudge()
    else:
        Submission.objects.create(pipeline=pipeline, document=document.to_json())
        nudge(DIVIDE, pipeline.pk)
    return pipeline
