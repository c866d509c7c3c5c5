from __future__ import annotations

from collections.abc import Mapping
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
from pipelines.nudges import nudge
from runners import presence, registration
from runners.api.parsers import BoundedJSONParser
from runners.models import Runner, RunnerType


class ClientField(serializers.SlugRelatedField[Client]):
    """A client by its id."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or "\0" in data:  # PostgreSQL's text has no NUL
            self.fail("invalid")
        return super().to_internal_value(data)


class RunnerSerializer(serializers.ModelSerializer[Runner]):
    type = serializers.ChoiceField(RunnerType.choices, default=RunnerType.SERVER)
    clients = ClientField(many=True, required=False, slug_field="client_id", queryset=Client.objects.all())
    accepted_kinds = serializers.ListField(child=serializers.CharField(), read_only=True)
    in_use = serializers.IntegerField(read_only=True)
    online = serializers.BooleanField(source="is_online", read_only=True)
    paused = serializers.SerializerMethodField()

    class Meta:
        model = Runner
        fields = (
            "id", "name", "type", "capacity", "kinds", "accepted_kinds", "clients", "in_use", "online", "paused",
            "paused_at", "pause_note", "draining_since", "seen_at", "created_at",
        )  # fmt: skip
        read_only_fields = ("paused_at", "pause_note", "draining_since", "seen_at", "created_at")

    def get_paused(self, runner: Runner) -> bool:
        return runner.paused_at is not None

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what is no field: a misspelt one would be passed over, as if it had been set."""
        unknown = [str(name) for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({name: ["A runner has no such field."] for name in unknown})
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("name", "type"):
            if self.instance is not None and attrs.get(name, getattr(self.instance, name)) != getattr(
                self.instance, name
            ):
                raise serializers.ValidationError({name: f"A runner's {name} cannot be changed; create another."})
        return attrs


class NewRunnerSerializer(RunnerSerializer):
    token = serializers.CharField(read_only=True, help_text="What the runner shows the API; shown here alone.")

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
        return Runner.objects.with_use().with_online(clock.now()).prefetch_related("clients")

    @extend_schema(responses={201: NewRunnerSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a runner; its token is shown here and never again."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        with transaction.atomic():
            made = registration.create_runner(
                values["name"],
                runner_type=values["type"],
                capacity=values.get("capacity", 16),
                runner_kinds=values.get("kinds", []),
            )
            made.runner.clients.set(values.get("clients", []))
        shown = self.get_serializer(self.get_queryset().get(pk=made.runner.pk)).data
        return Response({**shown, "token": made.token}, status=201)

    def perform_update(self, serializer: serializers.BaseSerializer[Runner]) -> None:
        registration.check_kinds(serializer.instance.type, serializer.validated_data.get("kinds", []))  # type: ignore[union-attr]
        serializer.save()
        nudge()

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
