"""How pipelines, stages and jobs are shown."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from pipelines.api.rows import RowSerializer
from pipelines.masking import shown_params
from pipelines.models import Event, Job, Pipeline, Stage


class JobSerializer(RowSerializer[Job]):
    """A job as it stands; of its params those that are secret are not shown."""

    pipeline = serializers.IntegerField(source="pipeline_id")
    stage = serializers.CharField(source="stage.name")
    runner = serializers.CharField(source="runner_name")
    params = serializers.DictField(read_only=True)
    result = serializers.JSONField(allow_null=True)

    class Meta:
        model = Job
        fields = (
            "id", "pipeline", "stage", "name", "kind", "version", "priority", "params", "retry_attempt",
            "allow_failure", "timeout", "state", "attempt", "progress", "message", "reason", "result", "exit_code",
            "signal", "runner", "cancel_requested_at", "created_at", "eligible_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    @classmethod
    def show(cls, row: Any, **given: Any) -> dict[str, Any]:
        return super().show(row, params=shown_params(row), **given)


class StageSerializer(serializers.ModelSerializer[Stage]):
    jobs = JobSerializer(many=True, required=False)
    jobs_url = serializers.URLField(required=False)
    counts = serializers.DictField(child=serializers.IntegerField(), required=False)

    class Meta:
        model = Stage
        fields = ("name", "position", "state", "warnings", "jobs", "jobs_url", "counts")


class PipelineSummarySerializer(RowSerializer[Pipeline]):
    """A pipeline as a list shows it: without its stages."""

    client = serializers.CharField(source="client.client_id")
    progress = serializers.IntegerField(read_only=True)
    labels = serializers.DictField(child=serializers.CharField())
    rerun_of = serializers.IntegerField(source="rerun_of_id", allow_null=True)

    class Meta:
        model = Pipeline
        fields: tuple[str, ...] = (
            "id", "name", "client", "priority", "labels", "state", "progress", "warnings", "reason", "divided",
            "created_at", "started_at", "finished_at", "rerun_of", "callback_url",
        )  # fmt: skip


class PipelineSerializer(PipelineSummarySerializer):
    """A pipeline with its stages, and the jobs of those that are not too large."""

    stages = StageSerializer(many=True, read_only=True)

    class Meta(PipelineSummarySerializer.Meta):
        fields = (*PipelineSummarySerializer.Meta.fields, "stages")


class EventSerializer(RowSerializer[Event]):
    """A transition of a pipeline, a stage or a job."""

    stage = serializers.IntegerField(source="stage_id", allow_null=True)
    job = serializers.IntegerField(source="job_id", allow_null=True)
    runner = serializers.CharField(source="runner_name")

    class Meta:
        model = Event
        fields = ("id", "subject", "stage", "job", "attempt", "runner", "from_state", "to_state", "reason", "at")
        read_only_fields = fields
