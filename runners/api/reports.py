"""Where workers report (contract section 7)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pipelines import clock
from pipelines.api.bodies import TooLarge
from pipelines.api.rendering import JSONRenderer
from runners import presence
from runners.api.authentication import (
    AttemptPrincipal,
    AttemptTokenAuthentication,
    IsWorker,
    RunnerPrincipal,
    RunnerTokenAuthentication,
)
from runners.api.parsers import BoundedJSONParser
from runners.reports import MAX_ITEMS, Item, Reply, apply, read_item

# What a single report is answered with in the form of a reply; whatever else goes wrong is a problem.
_REPLIES = (200, 400, 404, 409, 413, 416)


class ReportItemSerializer(serializers.Serializer[Any]):
    """One report of an attempt; which of the optional members there are depends on the event."""

    job = serializers.IntegerField()
    attempt = serializers.IntegerField()
    event = serializers.ChoiceField(["started", "progress", "log", "alive", "finished", "returned"])
    worker = serializers.CharField(required=False, help_text="started: an id of the executing process.")
    progress = serializers.IntegerField(required=False, min_value=0, max_value=100)
    message = serializers.CharField(required=False)
    offset = serializers.IntegerField(required=False, help_text="log: bytes of UTF-8 before this text.")
    text = serializers.CharField(required=False)
    outcome = serializers.ChoiceField(["succeeded", "failed", "timed_out", "cancelled"], required=False)
    exit_code = serializers.IntegerField(required=False)
    signal = serializers.IntegerField(required=False)
    reason = serializers.CharField(required=False)
    result = serializers.JSONField(required=False)


class ReplySerializer(serializers.Serializer[Any]):
    job = serializers.IntegerField(allow_null=True)
    attempt = serializers.IntegerField(allow_null=True)
    event = serializers.CharField(allow_null=True)
    status = serializers.IntegerField()
    detail = serializers.CharField(required=False)
    cancel = serializers.BooleanField(help_text="Stop the attempt.")
    lease_seconds = serializers.FloatField(help_text="How long the lease holds from now.")
    size = serializers.IntegerField(required=False, help_text="log: how many bytes are held.")


class ReportBatchSerializer(serializers.Serializer[Any]):
    reports = ReportItemSerializer(many=True)


class ReplyBatchSerializer(serializers.Serializer[Any]):
    results = ReplySerializer(many=True)
    drain = serializers.BooleanField(help_text="Take no more and leave once idle, should the message have been lost.")


class ReportsView(APIView):
    """Many reports of one runner; each item succeeds or fails alone, those of one attempt apply in order."""

    authentication_classes = [RunnerTokenAuthentication]
    permission_classes = [IsWorker]
    parser_classes = [BoundedJSONParser]
    renderer_classes = [JSONRenderer]

    @extend_schema(request=ReportBatchSerializer, responses=ReplyBatchSerializer)
    def post(self, request: Request) -> Response:
        principal: RunnerPrincipal = request.user  # type: ignore[assignment]
        raw = request.data.get("reports") if isinstance(request.data, dict) else None
        if not isinstance(raw, list):
            raise ParseError('Send {"reports": [...]}.')
        if len(raw) > MAX_ITEMS:
            raise TooLarge(f"Send at most {MAX_ITEMS} reports at once.")
        now = clock.now()
        presence.seen(principal.runner, now=now)
        read = [read_item(each) for each in raw]
        items: list[Item] = [each for each in read if not isinstance(each, dict)]
        applied = iter(apply(items, allowed=None, runner=principal.runner.pk, now=now) if items else ())
        replies: list[Reply] = [each if isinstance(each, dict) else next(applied) for each in read]
        return Response({"results": replies, "drain": principal.runner.draining_since is not None})


class ReportView(APIView):
    """One report of one attempt, by the token its execute request came with."""

    authentication_classes = [AttemptTokenAuthentication]
    permission_classes = [IsWorker]
    parser_classes = [BoundedJSONParser]
    renderer_classes = [JSONRenderer]

    @extend_schema(request=ReportItemSerializer, responses=dict.fromkeys(_REPLIES, ReplySerializer))
    def post(self, request: Request, pk: int) -> Response:
        principal: AttemptPrincipal = request.user  # type: ignore[assignment]
        job, attempt = principal.key
        if pk != job:
            raise NotFound
        members = request.data if isinstance(request.data, dict) else {}
        item = read_item({"job": job, "attempt": attempt, **members})
        if isinstance(item, dict):
            return Response(item, status=item["status"])
        (reply,) = apply([item], allowed=[(job, attempt)], runner=None, now=clock.now())
        return Response(reply, status=reply["status"])
