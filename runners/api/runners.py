from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clients.models import Client
from clients.permissions import IsStaff
from pipelines import clock
from runners import presence, registration
from runners.api.clusters import ClusterSerializer
from runners.api.parsers import BoundedJSONParser
from runners.api.strict import Strict
from runners.models import Runner, RunnerType
from runners.registration import ClusterOptions


class ClientField(serializers.SlugRelatedField[Client]):
    """A client by its id."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or "\0" in data:  # PostgreSQL's text has no NUL
            self.fail("invalid")
        return super().to_internal_value(data)


class RunnerSerializer(Strict, serializers.ModelSerializer[Runner]):
    called = "runner"

    type = serializers.ChoiceField(RunnerType.choices, default=RunnerType.SERVER)
    clients = ClientField(many=True, required=False, slug_field="client_id", queryset=Client.objects.all())
    accepted_kinds = serializers.ListField(child=serializers.CharField(), read_only=True)
    in_use = serializers.IntegerField(read_only=True)
    online = serializers.BooleanField(source="is_online", read_only=True)
    paused = serializers.SerializerMethodField()
    cluster = ClusterSerializer(required=False, allow_null=True, help_text="Of a kubernetes runner, and no other.")

    class Meta:
        model = Runner
        fields = (
            "id", "name", "type", "capacity", "kinds", "accepted_kinds", "clients", "in_use", "online", "paused",
            "paused_at", "pause_note", "draining_since", "seen_at", "created_at", "cluster",
        )  # fmt: skip
        read_only_fields = ("paused_at", "pause_note", "draining_since", "seen_at", "created_at")

    def get_paused(self, runner: Runner) -> bool:
        return runner.paused_at is not None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("name", "type"):
            if self.instance is not None and attrs.get(name, getattr(self.instance, name)) != getattr(
                self.instance, name
            ):
                raise serializers.ValidationError({name: f"A runner's {name} cannot be changed; create another."})
        runner_type = attrs["type"] if self.instance is None else self.instance.type
        if runner_type != RunnerType.KUBERNETES and attrs.get("cluster") is not None:
            raise serializers.ValidationError({"cluster": "Only a kubernetes runner has a cluster."})
        if runner_type == RunnerType.KUBERNETES and attrs.get("cluster", self.instance) is None:
            raise serializers.ValidationError({"cluster": "A kubernetes runner has a cluster: give it."})
        return attrs


class NewRunnerSerializer(RunnerSerializer):
    token = serializers.CharField(
        read_only=True, allow_null=True, help_text="What a server shows the API, shown here alone; null of other types."
    )

    class Meta(RunnerSerializer.Meta):
        fields = (*RunnerSerializer.Meta.fields, "token")  # type: ignore[assignment]


class NoteSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")


class RunnerViewSet(viewsets.ModelViewSet[Runner]):
    """Runners, for staff: where jobs are executed, how many at once, and whether they are given any."""

    queryset = Runner.objects.all()
    serializer_class = RunnerSerializer
    permission_classes = [IsStaff]
    parser_classes = [BoundedJSONParser]
    filter_backends = []
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Runner]:
        runners = Runner.objects.with_use().with_online(clock.now())
        return runners.select_related("cluster").defer("cluster__sealed_connection").prefetch_related("clients")

    @extend_schema(responses={201: NewRunnerSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a runner; a server's token is shown here and never again."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        with transaction.atomic():
            made = registration.create_runner(
                values["name"],
                runner_type=values["type"],
                capacity=values.get("capacity", 16),
                runner_kinds=values.get("kinds", []),
                cluster=ClusterOptions(**values["cluster"]) if values.get("cluster") else None,
            )
            made.runner.clients.set(values.get("clients", []))
        shown = self.get_serializer(self.get_queryset().get(pk=made.runner.pk)).data
        return Response({**shown, "token": made.token or None}, status=201)

    def perform_update(self, serializer: serializers.BaseSerializer[Runner]) -> None:
        runner, values = self.get_object(), serializer.validated_data
        with transaction.atomic():
            if values.get("cluster"):
                registration.change_cluster(runner, **values["cluster"])
            registration.change_runner(
                runner,
                capacity=values.get("capacity"),
                runner_kinds=values.get("kinds"),
                clients=values.get("clients"),
            )
        serializer.instance = self.get_queryset().get(pk=runner.pk)

    def perform_destroy(self, instance: Runner) -> None:
        registration.delete_runner(instance)

    @extend_schema(request=NoteSerializer, responses=RunnerSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give it no new jobs."""
        presence.pause(self.get_object(), note=self._note(request), now=clock.now())
        return self._shown()

    @extend_schema(request=None, responses=RunnerSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give it jobs again."""
        presence.resume(self.get_object())
        return self._shown()

    @extend_schema(request=NoteSerializer, responses=RunnerSerializer)
    @action(detail=True, methods=["post"])
    def drain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Pause it and have its process leave once it is idle."""
        presence.drain(self.get_object(), note=self._note(request), now=clock.now())
        return self._shown()

    def _note(self, request: Request) -> str:
        serializer = NoteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return str(serializer.validated_data["note"])

    def _shown(self) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
