"""Edits of pipelines and jobs that have not ended: priorities, params, added and deleted jobs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from pipelines import admission, clock, division, settling
from pipelines.definition import JobSpec
from pipelines.exceptions import InvalidTransition, NameTaken, PipelineFull, UnknownStage
from pipelines.models import Job, Pipeline, Stage
from pipelines.nudges import nudge, nudge_for_work
from pipelines.states import UNFINISHED, State


@transaction.atomic
def edit_pipeline(pipeline: Pipeline, *, values: dict[str, Any]) -> None:
    """Write name, priority or labels while it is unfinished, its unfinished jobs' copy of the priority included.

    Raise InvalidTransition once it has ended.
    """
    pipeline = Pipeline.objects.lock_one(pipeline.pk)
    if pipeline.is_finished:
        raise InvalidTransition(subject="pipeline", state=pipeline.state, wanted="it has ended and cannot be changed")
    Pipeline.objects.filter(pk=pipeline.pk).update(**values)
    if "priority" in values:
        # Those in progress too: they may come back to wait. Locked first, because an UPDATE keeps to no order.
        jobs = Job.objects.filter(pipeline=pipeline, state__in=UNFINISHED)
        jobs.lock_all()
        jobs.update(pipeline_priority=values["priority"])
        nudge()


def edit_job(job: Job, *, values: dict[str, Any]) -> Job:
    """Write the values while the job is READY, in one statement; raise InvalidTransition otherwise."""
    waiting = Job.objects.filter(pk=job.pk, state=State.READY)
    if not (waiting.update(**values) if values else waiting.exists()):
        job.refresh_from_db()
        raise InvalidTransition(subject="job", state=job.state, wanted="only a READY job can be changed")
    nudge()
    job.refresh_from_db()
    return job


@transaction.atomic
def add_job(pipeline: Pipeline, *, spec: JobSpec) -> Job:
    """Add a job to a stage that has not ended; it is eligible at once if its stage is open.

    Raise InvalidTransition if the stage has ended or the pipeline is stopped, NameTaken, PipelineFull beyond
    MAX_JOBS_PER_PIPELINE, and what admission raises.
    """
    admission.admit(pipeline.client, jobs=1)
    pipeline = Pipeline.objects.lock_one(pipeline.pk)
    if pipeline.is_finished or pipeline.is_stopped or not pipeline.divided:
        raise InvalidTransition(
            subject="pipeline", state=pipeline.state, wanted="it takes no jobs: it has ended, is stopped or not divided"
        )
    stage = Stage.objects.filter(pipeline=pipeline, name=spec.stage).first()
    if stage is None:
        raise UnknownStage(f"The pipeline has no stage {spec.stage!r}.")
    if stage.finished_at is not None:
        raise InvalidTransition(subject="stage", state=stage.state, wanted="it has ended and takes no jobs")
    if pipeline.jobs.filter(name=spec.name).exists():
        raise NameTaken(f"The pipeline has a job named {spec.name!r} already; give this one another name.")
    if (jobs := pipeline.jobs.count()) >= settings.MAX_JOBS_PER_PIPELINE:
        raise PipelineFull(limit=settings.MAX_JOBS_PER_PIPELINE, requested=jobs + 1)
    (job,) = division.insert_jobs(pipeline, jobs=(spec,))
    job.stage = stage
    Pipeline.objects.filter(pk=pipeline.pk).update(declared_jobs=F("declared_jobs") + 1)
    nudge_for_work()
    return job


@transaction.atomic
def delete_job(job: Job) -> None:
    """Delete a READY job that was never attempted and is not its stage's last; raise InvalidTransition otherwise."""
    Pipeline.objects.lock([job.pipeline_id])
    # Its own lock too: a claim that goes on in a started stage takes none of the pipeline's.
    job = Job.objects.lock_one(job.pk)
    if not Job.objects.filter(pipeline=job.pipeline_id, stage=job.stage_id).exclude(pk=job.pk).exists():
        raise InvalidTransition(subject="job", state=job.state, wanted="it is its stage's last and cannot be deleted")
    if job.state != State.READY or job.attempt:
        raise InvalidTransition(subject="job", state=job.state, wanted="only a job never attempted can be deleted")
    job.delete()
    Pipeline.objects.filter(pk=job.pipeline_id).update(declared_jobs=F("declared_jobs") - 1)
    # It may have been all that its stage waited for.
    settling.settle([job.pipeline_id], now=clock.now())
    nudge()
