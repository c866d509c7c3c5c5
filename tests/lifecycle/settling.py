"""When stages and pipelines open, stop and end (contract section 4), for one pipeline, in the plainest Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from tests.lifecycle.rows import CANCELLED, DONE, ERROR, READY, ModelJob, ModelPipeline


class Ended(Protocol):
    """What counts of a job that has ended."""

    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def allow_failure(self) -> bool: ...


def settle(pipeline: ModelPipeline, *, now: datetime) -> None:
    """Bring the pipeline and its stages up to date with its jobs."""
    if not pipeline.divided or not pipeline.is_unfinished:
        return
    if not pipeline.is_stopped and any(_stops(job) for job in pipeline.jobs):
        pipeline.stopped = True
        cancel_waiting(pipeline, reason="pipeline_failed")
    for stage in pipeline.stages:
        if not stage.is_unfinished:
            continue
        if any(job.is_unfinished for job in stage.jobs):
            if stage.opened_at is None and not pipeline.is_stopped:
                stage.opened_at = now
                for job in stage.jobs:
                    if job.state == READY:
                        job.eligible_at = now
            return
        end, stage.warnings = verdict(stage.jobs, pipeline_cancelled=pipeline.cancel_requested)
        stage.move(end)
    end, pipeline.warnings = verdict(pipeline.jobs, pipeline_cancelled=pipeline.cancel_requested)
    pipeline.move(end)


def cancel_waiting(pipeline: ModelPipeline, *, reason: str) -> None:
    for job in pipeline.jobs:
        if job.state == READY:
            job.cancel(reason=reason)


def _stops(job: ModelJob) -> bool:
    return job.state in (ERROR, CANCELLED) and not job.allow_failure


def verdict(jobs: Iterable[Ended], *, pipeline_cancelled: bool) -> tuple[str, int]:
    """Return how their owner ends, and with how many warnings."""
    state, warnings = DONE, 0
    for job in jobs:
        if job.state == DONE:
            continue
        with_pipeline = job.state == CANCELLED and job.reason in ("pipeline_failed", "pipeline_cancelled")
        if job.state == ERROR and not job.allow_failure:
            state = ERROR
        elif job.state == CANCELLED and (
            not job.allow_failure or job.reason == "pipeline_failed" or pipeline_cancelled
        ):
            state = ERROR if state == ERROR else CANCELLED
        if job.allow_failure and not with_pipeline:
            warnings += 1
    return state, warnings
