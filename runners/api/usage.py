"""How full the pool is and who waits: for the operator, and for a client about itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Min, Q
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clients.principals import requesting_client
from clients.usage import Use
from pipelines import clock
from pipelines.models import Job
from pipelines.states import UNFINISHED, State
from pipelines.usage import use_of


class BacklogSerializer(serializers.Serializer[Any]):
    client = serializers.CharField()
    kind = serializers.CharField()
    in_progress = serializers.IntegerField()
    ready = serializers.IntegerField(help_text="Waiting, those of stages not reached yet included.")
    eligible = serializers.IntegerField(help_text="Waiting for nothing but room.")
    oldest_wait_seconds = serializers.FloatField(allow_null=True)


class QueueSerializer(serializers.Serializer[Any]):
    queue_size = serializers.IntegerField()
    in_progress = serializers.IntegerField()
    ready = serializers.IntegerField()
    eligible = serializers.IntegerField()
    oldest_wait_seconds = serializers.FloatField(allow_null=True)
    backlog = BacklogSerializer(many=True, help_text="Per client and kind; a client sees its own.")


class MeSerializer(serializers.Serializer[Any]):
    client_id = serializers.CharField()
    name = serializers.CharField()
    priority = serializers.IntegerField()
    queue_size = serializers.IntegerField(allow_null=True)
    in_progress = serializers.IntegerField()
    max_ready_jobs = serializers.IntegerField(allow_null=True)
    ready = serializers.IntegerField()
    runners = serializers.ListField(child=serializers.CharField(), help_text="Those it may use; empty: all.")


class UserSerializer(serializers.Serializer[Any]):
    user = serializers.CharField(help_text="Staff have no limits of their own.")


class QueueView(APIView):
    """The pool's use, and the backlog with its oldest wait per client and kind."""

    queryset = Job.objects.all()

    @extend_schema(responses=QueueSerializer)
    def get(self, request: Request) -> Response:
        now = clock.now()
        eligible = Q(state=State.READY, eligible_at__lte=now)
        figures = {
            "in_progress": Count("pk", filter=Q(state=State.IN_PROGRESS)),
            "ready": Count("pk", filter=Q(state=State.READY)),
            "eligible": Count("pk", filter=eligible),
            "oldest": Min("eligible_at", filter=eligible),
        }
        unfinished = Job.objects.filter(state__in=UNFINISHED).order_by()
        totals = unfinished.aggregate(**figures)
        of_client = unfinished.visible_to(request.user).values("kind", owner=F("client__client_id"))
        rows: Iterable[Any] = of_client.annotate(**figures).order_by("client__priority", "client_id", "kind")
        backlog = [{"client": row["owner"], "kind": row["kind"], **_shown(row, now=now)} for row in rows]
        return Response({"queue_size": settings.QUEUE_SIZE, **_shown(totals, now=now), "backlog": backlog})


class MeView(APIView):
    """The client's limits and what it uses of them; for staff, who they are."""

    @extend_schema(
        responses=PolymorphicProxySerializer(
            component_name="ClientOrUser", serializers=[MeSerializer, UserSerializer], resource_type_field_name=None
        )
    )
    def get(self, request: Request) -> Response:
        client = requesting_client(request)
        if client is None:
            return Response({"user": request.user.get_username()})
        use = use_of([client.pk]).get(client.pk, Use())
        return Response(
            {
                "client_id": client.client_id,
                "name": client.name,
                "priority": client.priority,
                "queue_size": client.queue_size,
                "in_progress": use.in_progress,
                "max_ready_jobs": client.max_ready_jobs,
                "ready": use.ready,
                "runners": list(client.runners.values_list("name", flat=True)),
            }
        )


def _shown(row: dict[str, Any], *, now: Any) -> dict[str, Any]:
    counts = {name: row[name] for name in ("in_progress", "ready", "eligible")}
    oldest = row["oldest"]
    return {**counts, "oldest_wait_seconds": round((now - oldest).total_seconds(), 3) if oldest else None}
