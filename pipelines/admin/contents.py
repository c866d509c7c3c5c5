"""What the page of a pipeline shows of its stages, jobs and history, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from pipelines.models import Event, Job, Pipeline, Stage
from pipelines.states import State

# A pipeline with more jobs shows counts that link to the list of jobs.
JOBS_SHOWN = 200
EVENTS_SHOWN = 50


@dataclass
class StageContents:
    """A stage, how many of its jobs are in which state, and these jobs if the pipeline has few."""

    stage: Stage
    counts: dict[str, int] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def stages_of(pipeline: Pipeline) -> Sequence[StageContents]:
    """Return the pipeline's stages in order with what is in them."""
    stages = {stage.pk: StageContents(stage) for stage in pipeline.stages.order_by("position")}
    counted = Job.objects.filter(pipeline=pipeline).order_by().values_list("stage", "state").annotate(Count("pk"))
    in_order = {str(state): number for number, state in enumerate(State)}
    for stage, state, count in sorted(counted, key=lambda row: in_order[row[1]]):
        stages[stage].counts[state] = count
    if sum(contents.total for contents in stages.values()) <= JOBS_SHOWN:
        for job in Job.objects.filter(pipeline=pipeline).defer("params", "result").order_by("id"):
            stages[job.stage_id].jobs.append(job)
    return list(stages.values())


def events_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return the latest of what happened to the pipeline, newest first, each with the name of what it happened to."""
    events = list(Event.objects.filter(pipeline=pipeline).order_by("-id")[:EVENTS_SHOWN])
    jobs: dict[int | None, str] = dict(
        Job.objects.filter(pk__in={event.job_id for event in events}).values_list("pk", "name")
    )
    stages: dict[int | None, str] = dict(pipeline.stages.values_list("pk", "name"))
    return [
        {
            "event": event,
            # The history outlives a deleted job.
            "name": (jobs if event.job_id else stages).get(event.job_id or event.stage_id, ""),
            "job": event.job_id if event.job_id in jobs else None,
        }
        for event in events
    ]
