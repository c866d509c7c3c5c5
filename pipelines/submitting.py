"""A validated document becomes a pipeline: admitted, written and divided, or left to the divider."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime

from django.conf import settings
from django.db import transaction

from clients.models import Client
from pipelines import admission, division
from pipelines.definition import Document
from pipelines.models import Contents, Pipeline
from pipelines.nudges import DIVIDE, nudge, nudge_for_work


def submit(client: Client, *, document: Document, now: datetime | None = None) -> tuple[Pipeline, Contents]:
    """Write the client's pipeline; raise LimitReached or NeverFits before anything is written.

    Up to DIVIDE_INLINE_MAX_JOBS its jobs exist when this returns; beyond, `divided` is false, its contents are empty
    and the task `divide` makes them all in one transaction of its own. Runs in the caller's transaction, else in one
    where there is a limit to lock or a document to keep. Without `now` the first stage opens when the database says.
    """
    jobs = len(document.jobs)
    is_small = jobs <= settings.DIVIDE_INLINE_MAX_JOBS
    with nullcontext() if is_small and not admission.is_limited(client) else transaction.atomic():
        admission.admit(client, jobs=jobs)
        if is_small:
            pipeline, contents = division.divide(client, document=document, now=now)
            nudge_for_work()
        else:
            pipeline, contents = division.leave(client, document=document), Contents([], [])
            nudge(DIVIDE, pipeline.pk)
    return pipeline, contents
