from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from clients import vault
from clients.principals import requesting_client, submitting_client
from pipelines import admission, cancelling, clock, definition, editing, idempotency, pruning, submitting
from pipelines.api import bodies
from pipelines.api.filters import Filtering, IdOrdering, OldestFirst, PipelineFilter
from pipelines.api.planning import PlanSerializer, plan
from pipelines.api.raw_forms import PIPELINE, RawForms, SubmitsForClients
from pipelines.api.schema import DOCUMENT, PIPELINE_CHANGES
from pipelines.api.serializers import EventSerializer, PipelineSerializer, PipelineSummarySerializer
from pipelines.api.showing import find, show
from pipelines.api.summaries import newest, summaries
from pipelines.exceptions import InvalidTransition
from pipelines.idempotency import Answer
from pipelines.models import Event, Pipeline
from pipelines.states import FINISHED

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_CLIENT = OpenApiParameter("client", str, description="For staff: the client the pipeline is for.")
_DRY_RUN = OpenApiParameter("dry_run", bool, description="Validate and plan, store nothing.")
_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same request again is answered as the first was."
)


@extend_schema_view(retrieve=extend_schema(responses=PipelineSerializer))
class PipelineViewSet(
    SubmitsForClients, RawForms, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Pipeline]
):
    """Pipelines: submit, follow, change, cancel and delete them. Smaller number = higher priority, everywhere."""

    queryset = Pipeline.objects.all()
    serializer_class = PipelineSummarySerializer
    parser_classes = bodies.PARSERS
    example = PIPELINE
    changeable = ("name", "priority", "labels")
    filterset_class = PipelineFilter
    filter_backends = [Filtering, IdOrdering]
    ordering_fields = ["id", "created_at", "priority", "name"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Pipeline]:
        return Pipeline.objects.visible_to(self.request.user).select_related("client")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        client = requesting_client(request)
        if client is not None and not request.query_params:
            paginator: Any = self.paginator
            found = newest(client, at_most=paginator.page_size + 1)
            return self.get_paginated_response(paginator.first_page(found, request=request))
        # What filters and cursor need of a pipeline, then what is shown of those on the page.
        candidates: Any = Pipeline.objects.visible_to(request.user).values_list(*self.ordering_fields, named=True)
        page: Any = self.paginate_queryset(self.filter_queryset(candidates))
        return self.get_paginated_response(summaries([row.id for row in page]))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self._shown(int(self.kwargs["pk"])))

    @extend_schema(request=DOCUMENT, parameters=[_CLIENT, _DRY_RUN, _KEY], responses={
        201: PipelineSerializer, 202: PipelineSerializer, 200: PlanSerializer,
    })  # fmt: skip
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Submit a pipeline as YAML or JSON; a large one is divided after the answer (202)."""
        client = submitting_client(request)
        body = bodies.body_of(request)
        document = definition.parse(
            body.content,
            media_type=body.media_type,
            limits=bodies.limits(),
            secrets=partial(vault.names_of, client.pk),
        )
        if _is_dry_run(request):
            admission.check_fits(client, jobs=len(document.jobs))
            return Response(plan(document))

        def make() -> Answer:
            pipeline, contents = submitting.submit(client, document=document)
            return Answer(pipeline, status=201 if pipeline.divided else 202, contents=contents)

        key = request.headers.get("Idempotency-Key")
        if key is not None:
            answer = idempotency.once(
                key=idempotency.read_key(key),
                client=client,
                user=None if requesting_client(request) else request.user,
                fingerprint=idempotency.fingerprint(
                    query=request.META["QUERY_STRING"], media_type=body.media_type, body=body.content
                ),
                make=make,
            )
        else:
            answer = make()
        headers = {"Location": request.build_absolute_uri(reverse("pipeline-detail", args=[answer.pipeline.pk]))}
        if answer.replayed:
            headers["Idempotency-Replayed"] = "true"
        if answer.contents is None:
            shown = self._shown(answer.pipeline.pk)
        else:
            shown = show(answer.pipeline, answer.contents, request=request)
        return Response(shown, status=answer.status, headers=headers)

    @extend_schema(request=PIPELINE_CHANGES, responses=PipelineSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change name, priority or labels while it is unfinished."""
        pipeline = self.get_object()
        body = bodies.body_of(request)
        value = definition.load(body.content, media_type=body.media_type, limits=bodies.limits())
        editing.edit_pipeline(pipeline, values=definition.parse_pipeline_changes(value))
        return Response(self._shown(pipeline.pk))

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete a finished pipeline with all that belongs to it."""
        pipeline = self.get_object()
        if not pruning.delete_pipelines([pipeline.pk]):
            raise InvalidTransition(subject="pipeline", state=pipeline.state, wanted="cancel it, or wait for its end")
        return Response(status=204)

    @extend_schema(request=None, responses={200: PipelineSerializer, 202: PipelineSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cancel what waits and stop what runs: 202 while something still runs, 200 once it is CANCELLED."""
        pipeline = cancelling.cancel_pipeline(self.get_object().pk, now=clock.now())
        shown = self._shown(pipeline.pk)
        return Response(shown, status=200 if shown["state"] in FINISHED else 202)

    @extend_schema(responses=EventSerializer(many=True))
    @action(detail=True, filterset_class=None, filter_backends=[OldestFirst])
    def events(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List every transition of the pipeline, its stages and its jobs, in order."""
        pipeline = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        events: Any = Event.objects.settled().filter(pipeline=pipeline)
        page: Any = self.paginate_queryset(events)
        return self.get_paginated_response(EventSerializer(page, many=True).data)

    def _shown(self, pk: int) -> Any:
        """Return the pipeline as it now stands; raise Http404 if there is none for whoever asks."""
        found = find(pk, principal=self.request.user)
        if found is None:
            raise Http404
        pipeline, contents = found
        client = requesting_client(self.request)
        if client is not None:
            pipeline.client = client
        return show(pipeline, contents, request=self.request)


def _is_dry_run(request: Request) -> bool:
    """Tell whether nothing is to be stored; a word that could mean either is refused, never taken for no."""
    given = request.query_params.get("dry_run", "false").lower()
    if given not in _BOOLEANS:
        raise ValidationError({"dry_run": ["Give true or false."]})
    return _BOOLEANS[given]
