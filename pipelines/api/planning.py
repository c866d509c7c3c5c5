"""What a dry run answers: the stages and jobs that the document would become."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from pipelines.definition import Document
from pipelines.masking import shown_params


class PlannedJobSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    version = serializers.CharField(help_text="Resolved: the version that would run it.")
    priority = serializers.IntegerField()
    params = serializers.DictField()
    retry_attempt = serializers.IntegerField()
    allow_failure = serializers.BooleanField()
    timeout = serializers.IntegerField(allow_null=True)


class PlannedStageSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    position = serializers.IntegerField()
    jobs = PlannedJobSerializer(many=True)


class PlanSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True)
    priority = serializers.IntegerField()
    labels = serializers.DictField(child=serializers.CharField())
    callback_url = serializers.CharField(allow_blank=True)
    stages = PlannedStageSerializer(many=True)


def plan(document: Document) -> Any:
    """Return the pipeline as it would be, its jobs grouped by stage."""
    jobs: dict[str, list[dict[str, Any]]] = {name: [] for name in document.stages}
    for job in document.jobs:
        jobs[job.stage].append(job._asdict() | {"params": shown_params(job)})
    stages = [{"name": name, "position": i, "jobs": jobs[name]} for i, name in enumerate(document.stages)]
    return PlanSerializer(
        {
            "name": document.name,
            "priority": document.priority,
            "labels": document.labels,
            "callback_url": document.callback_url,
            "stages": stages,
        }
    ).data
