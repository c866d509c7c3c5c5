from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from clients import vault
from pipelines import cancelling, clock, definition, editing, masking
from pipelines.api import bodies
from pipelines.api.filters import Filtering, IdOrdering, JobFilter
from pipelines.api.raw_forms import JOB, RawForms
from pipelines.api.schema import JOB_CHANGES, NEW_JOB
from pipelines.api.serializers import JobSerializer
from pipelines.definition import DocumentError, DocumentErrors
from pipelines.exceptions import UnknownStage
from pipelines.models import Job, Pipeline


class JobViewSet(RawForms, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Job]):
    """Jobs: add one to a pipeline, follow, change, cancel and delete them."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    parser_classes = bodies.PARSERS
    example = JOB
    changeable = ("priority", "params", "retry_attempt", "allow_failure", "timeout")
    filterset_class = JobFilter
    filter_backends = [Filtering, IdOrdering]
    ordering_fields = ["id", "created_at", "priority", "name"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Job]:
        return Job.objects.visible_to(self.request.user).select_related("stage")

    @extend_schema(request=NEW_JOB, responses={201: JobSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a job: the document's job fields plus `pipeline`; eligible at once if its stage is open."""
        value = self._value(request)
        pipeline = self._pipeline_named(value)
        spec = definition.parse_job(
            {name: item for name, item in value.items() if name != "pipeline"},
            secrets=partial(vault.names_of, pipeline.client_id),
        )
        try:
            job = editing.add_job(pipeline, spec=spec)
        except UnknownStage as error:
            raise DocumentErrors([DocumentError("/stage", str(error))]) from error
        location = request.build_absolute_uri(reverse("job-detail", args=[job.pk]))
        return Response(JobSerializer(job).data, status=201, headers={"Location": location})

    @extend_schema(request=JOB_CHANGES, responses=JobSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change priority, params, retry_attempt, allow_failure or timeout while it is READY."""
        job = self.get_object()
        value = self._value(request)
        if isinstance(value, Mapping) and "params" in value:
            value = {**value, "params": masking.restored(value["params"], job=job)}
        values = definition.parse_job_changes(
            value,
            kind=job.kind,
            version=job.version,
            name=job.name,
            secrets=partial(vault.names_of, job.client_id),
        )
        return Response(JobSerializer(editing.edit_job(job, values=values)).data)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete a READY job that was never attempted and is not its stage's last."""
        editing.delete_job(self.get_object())
        return Response(status=204)

    @extend_schema(request=None, responses={200: JobSerializer, 202: JobSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cancel it if it waits (200), have it stopped if it runs (202)."""
        job = cancelling.cancel_job(self.get_object(), now=clock.now())
        return Response(JobSerializer(job).data, status=200 if job.is_finished else 202)

    def _value(self, request: Request) -> Any:
        body = bodies.body_of(request)
        return definition.load(body.content, media_type=body.media_type, limits=bodies.limits())

    def _pipeline_named(self, value: object) -> Pipeline:
        named = value.get("pipeline") if isinstance(value, Mapping) else None
        if not isinstance(named, int) or isinstance(named, bool):
            raise DocumentErrors([DocumentError("/pipeline", "must be the id of a pipeline, a whole number")])
        if not 0 < named < 2**63:
            raise Http404
        return get_object_or_404(Pipeline.objects.visible_to(self.request.user).select_related("client"), pk=named)
