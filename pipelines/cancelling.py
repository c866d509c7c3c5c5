"""Cancel: at once what waits; of what runs the wish is recorded, and the runners carry it out."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from pipelines import moves, settling
from pipelines.exceptions import InvalidTransition
from pipelines.models import Job, Pipeline, Submission
from pipelines.nudges import STOP, nudge
from pipelines.querysets import JobQuerySet
from pipelines.states import UNFINISHED, State


@transaction.atomic
def cancel_pipeline(pipeline_id: int, *, now: datetime) -> Pipeline:
    """Cancel what waits and ask to stop what runs; return the pipeline as it then stands.

    Nothing happens to one that is CANCELLED already; raise InvalidTransition for one that ended otherwise.
    """
    pipeline = Pipeline.objects.lock_one(pipeline_id)
    if pipeline.state == State.CANCELLED:
        return pipeline
    if pipeline.is_finished:
        raise InvalidTransition(subject="pipeline", state=pipeline.state, wanted="it has ended and cannot be cancelled")
    Pipeline.objects.filter(pk=pipeline.pk, cancel_requested_at=None).update(cancel_requested_at=now)
    if pipeline.divided:
        jobs = Job.objects.filter(pipeline=pipeline)
        jobs.filter(state__in=UNFINISHED).lock_all()  # waiting and running ones at once, so that all are in id order
        settling.cancel_ready_jobs(jobs, reason=settling.PIPELINE_CANCELLED, now=now)
        _request(jobs, now=now)
        settling.settle([pipeline.pk], now=now)
    else:
        Submission.objects.filter(pk=pipeline.pk).delete()
        moves.move_parents(Pipeline, ids=[pipeline.pk], source=UNFINISHED, target=State.CANCELLED, now=now)
    nudge()
    pipeline.refresh_from_db()
    return pipeline


@transaction.atomic
def cancel_job(job: Job, *, now: datetime) -> Job:
    """Cancel the job if it waits, ask to stop it if it runs; return it as it then stands.

    Nothing happens to one that is CANCELLED already; raise InvalidTransition for one that ended otherwise.
    """
    Pipeline.objects.lock([job.pipeline_id])
    job = Job.objects.lock_one(job.pk)
    if job.state == State.CANCELLED:
        return job
    if job.is_finished:
        raise InvalidTransition(subject="job", state=job.state, wanted="it has ended and cannot be cancelled")
    if job.state == State.READY:
        job.mark_cancelled(now=now, reason=settling.CANCELLED)
        settling.settle([job.pipeline_id], now=now)
    else:
        _request(Job.objects.filter(pk=job.pk), now=now)
    nudge()
    job.refresh_from_db()
    return job


def _request(jobs: JobQuerySet, *, now: datetime) -> None:
    """Record the wish for those in progress; the runners' side reads it from the rows."""
    if ids := jobs.filter(state=State.IN_PROGRESS, cancel_requested_at=None).lock_all():
        Job.objects.filter(pk__in=ids).update(cancel_requested_at=now)
        nudge(STOP)
