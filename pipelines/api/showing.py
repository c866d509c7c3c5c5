"""A pipeline with what is in it, in one query unless it is large."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from rest_framework.request import Request
from rest_framework.reverse import reverse

from pipelines.api.serializers import JobSerializer, PipelineSerializer
from pipelines.models import Contents, Job, Pipeline, read_whole
from pipelines.states import State

# A stage with more jobs shows counts and where the jobs are listed.
JOBS_SHOWN = 500
_WHOLE = """
SELECT json_build_array(pipeline)::text,
    (SELECT json_agg(stage ORDER BY position)::text FROM pipelines_stage AS stage WHERE pipeline_id = pipeline.id),
    (SELECT json_agg(job ORDER BY id)::text FROM (
        SELECT * FROM pipelines_job WHERE pipeline_id = pipeline.id ORDER BY id LIMIT %(at_most)s
    ) AS job)
FROM pipelines_pipeline AS pipeline
WHERE id = %(id)s AND (%(all)s OR client_id = %(client)s)
"""


def find(pk: int, *, principal: Any) -> tuple[Pipeline, Contents] | None:
    """Return the pipeline if the principal may see it, and of its contents what `show` wants to know."""
    values = {"id": pk, "all": principal.is_staff, "client": principal.pk, "at_most": JOBS_SHOWN + 1}
    return next(iter(read_whole(_WHOLE, values)), None)


def show(pipeline: Pipeline, contents: Contents, *, request: Request) -> Any:
    """Return the pipeline as the API shows it; of a large one the jobs are counted or read here."""
    if len(contents.jobs) <= JOBS_SHOWN:
        stages = _with_jobs(contents)
    else:
        stages = _with_jobs_or_counts(contents.stages, pipeline=pipeline, request=request)
    return PipelineSerializer.show(pipeline, stages=stages)


def _with_jobs(contents: Contents) -> list[dict[str, Any]]:
    stages = {stage.id: stage for stage in contents.stages}
    jobs: dict[int, list[dict[str, Any]]] = {pk: [] for pk in stages}
    for job in contents.jobs:
        jobs[job.stage_id].append(JobSerializer.show(job, stage=stages[job.stage_id].name))
    return [{**_stage(stage), "jobs": jobs[stage.id]} for stage in contents.stages]


def _with_jobs_or_counts(stages: list[Any], *, pipeline: Pipeline, request: Request) -> list[dict[str, Any]]:
    counts = _counted(pipeline, stages)
    small = [stage for stage in stages if sum(counts[stage.id].values()) <= JOBS_SHOWN]
    jobs = Job.objects.filter(pipeline=pipeline, stage__in=[stage.id for stage in small]).order_by("id")
    shown = {stage["position"]: stage for stage in _with_jobs(Contents(small, list(jobs)))}
    url = reverse("job-list", request=request)
    return [
        shown.get(stage.position)
        or {
            **_stage(stage),
            "jobs_url": f"{url}?{urlencode({'pipeline': pipeline.pk, 'stage': stage.name, 'ordering': 'id'})}",
            "counts": counts[stage.id],
        }
        for stage in stages
    ]


def _stage(stage: Any) -> dict[str, Any]:
    return {"name": stage.name, "position": stage.position, "state": stage.state, "warnings": stage.warnings}


def _counted(pipeline: Pipeline, stages: list[Any]) -> dict[int, dict[str, int]]:
    """Return how many jobs of each stage are in which state, every state named."""
    rows = Job.objects.filter(pipeline=pipeline).order_by().values_list("stage", "state").annotate(jobs=Count("pk"))
    counts = {stage.id: dict.fromkeys(State.values, 0) for stage in stages}
    for stage, state, jobs in rows:
        counts[stage][state] = jobs
    return counts
