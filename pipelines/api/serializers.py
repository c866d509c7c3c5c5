"""How pipelines, stages and jobs are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from pipelines.masking import shown_params
from pipelines.models import Event, Job, Pipeline, Stage
from pipelines.states import FINISHED, State

# A stage with more jobs shows counts and where the jobs are listed.
JOBS_SHOWN = 500


class ShownParams(serializers.DictField):
    """The params of a job as they may be shown."""

    def to_representation(self, value: Any) -> Any:
        return shown_params(value)


class JobSerializer(serializers.ModelSerializer[Job]):
    pipeline = serializers.IntegerField(source="pipeline_id")
    stage = serializers.CharField(source="stage.name")
    runner = serializers.CharField(source="runner_name")
    params = ShownParams(source="*")
    result = serializers.JSONField(allow_null=True)

    class Meta:
        model = Job
        fields = (
            "id", "pipeline", "stage", "name", "kind", "version", "priority", "params", "retry_attempt",
            "allow_failure", "timeout", "state", "attempt", "progress", "message", "reason", "result", "exit_code",
            "signal", "runner", "cancel_requested_at", "created_at", "eligible_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class StageSerializer(serializers.ModelSerializer[Stage]):
    jobs = JobSerializer(many=True, required=False)
    jobs_url = serializers.URLField(required=False)
    counts = serializers.DictField(child=serializers.IntegerField(), required=False)

    class Meta:
        model = Stage
        fields = ("name", "position", "state", "warnings", "jobs", "jobs_url", "counts")


class PipelineSummarySerializer(serializers.ModelSerializer[Pipeline]):
    """A pipeline as a list shows it: without its stages."""

    client = serializers.CharField(source="client.client_id")
    progress = serializers.SerializerMethodField()
    labels = serializers.DictField(child=serializers.CharField())
    rerun_of = serializers.IntegerField(source="rerun_of_id", allow_null=True)

    class Meta:
        model = Pipeline
        fields: tuple[str, ...] = (
            "id", "name", "client", "priority", "labels", "state", "progress", "warnings", "reason", "divided",
            "created_at", "started_at", "finished_at", "rerun_of", "callback_url",
        )  # fmt: skip

    def get_progress(self, pipeline: Pipeline) -> int:
        """Return how much of it has ended, in percent of its jobs."""
        if pipeline.is_finished:
            return 100
        total, ended = self.context["job_counts"].get(pipeline.pk, (0, 0))
        return ended * 100 // total if total else 0


class PipelineSerializer(PipelineSummarySerializer):
    stages = serializers.SerializerMethodField()

    class Meta(PipelineSummarySerializer.Meta):
        fields = (*PipelineSummarySerializer.Meta.fields, "stages")

    @extend_schema_field(StageSerializer(many=True))
    def get_stages(self, pipeline: Pipeline) -> list[dict[str, Any]]:
        stages = list(pipeline.stages.order_by("position").annotate(size=Count("jobs")))
        small = {stage.pk: stage for stage in stages if stage.size <= JOBS_SHOWN}
        jobs: dict[int, list[dict[str, Any]]] = {pk: [] for pk in small}
        shown = JobSerializer()  # one for all: making its fields costs more than using them
        for job in Job.objects.filter(pipeline=pipeline, stage__in=small).order_by("id"):
            job.stage = small[job.stage_id]
            jobs[job.stage_id].append(shown.to_representation(job))
        return [
            {
                "name": stage.name,
                "position": stage.position,
                "state": stage.state,
                "warnings": stage.warnings,
                **({"jobs": jobs[stage.pk]} if stage.pk in small else self._counts(stage)),
            }
            for stage in stages
        ]

    def _counts(self, stage: Stage) -> dict[str, Any]:
        counted = Job.objects.filter(stage=stage).order_by().values_list("state").annotate(jobs=Count("pk"))
        counts = dict.fromkeys(State.values, 0) | dict(counted)
        query = urlencode({"pipeline": stage.pipeline_id, "stage": stage.name, "ordering": "id"})
        url = reverse("job-list", request=self.context.get("request"))
        return {"jobs_url": f"{url}?{query}", "counts": counts}


def job_counts(pipelines: Iterable[Pipeline]) -> dict[int, tuple[int, int]]:
    """Return how many jobs each unfinished pipeline has and how many have ended, in one query."""
    unfinished = [pipeline.pk for pipeline in pipelines if not pipeline.is_finished]
    if not unfinished:
        return {}
    rows = Job.objects.filter(pipeline__in=unfinished).order_by().values("pipeline")
    counted = rows.annotate(total=Count("pk"), ended=Count("pk", filter=Q(state__in=FINISHED)))
    return {row["pipeline"]: (row["total"], row["ended"]) for row in counted}


class EventSerializer(serializers.ModelSerializer[Event]):
    stage = serializers.IntegerField(source="stage_id", allow_null=True)
    job = serializers.IntegerField(source="job_id", allow_null=True)
    runner = serializers.CharField(source="runner_name")

    class Meta:
        model = Event
        fields = ("id", "subject", "stage", "job", "attempt", "runner", "from_state", "to_state", "reason", "at")
        read_only_fields = fields
