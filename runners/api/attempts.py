"""What `runners` adds to a job's routes: its attempts and their logs."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from pipelines.api.filters import OldestFirst
from pipelines.models import Job
from runners import logs
from runners.kubernetes.work import NOTES
from runners.models import Attempt, Outcome

_WAIT_SECONDS_MAX = 30
# Of a process's threads so many may wait; who finds none left is answered at once.
_waiters = threading.BoundedSemaphore(settings.STREAM_LIMIT)


class PlainTextRenderer(JSONRenderer):
    """Lets `Accept: text/plain` in; what the view answers is text already."""

    media_type = "text/plain"
    format = "txt"


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    runner = serializers.CharField(source="runner_name")
    outcome = serializers.ChoiceField(Outcome.choices, allow_blank=True, help_text="Empty while it is live.")
    exit_code = serializers.IntegerField(allow_null=True)
    evidence = serializers.SerializerMethodField()

    class Meta:
        model = Attempt
        fields = (
            "number", "runner", "worker", "claimed_at", "started_at", "finished_at", "outcome", "exit_code", "signal",
            "reason", "message", "evidence",
        )  # fmt: skip
        read_only_fields = fields

    def get_evidence(self, attempt: Attempt) -> dict[str, Any]:
        """Leave out what rounds only note for each other."""
        return {name: value for name, value in attempt.evidence.items() if name != NOTES}


class ByNumber(OldestFirst):
    ordering = ("number",)


class AttemptListView(ListAPIView[Any]):
    """Every attempt at the job, first to last."""

    queryset = Job.objects.all()
    serializer_class = AttemptSerializer
    filter_backends = [ByNumber]

    def get_queryset(self) -> Any:
        job = get_object_or_404(Job.objects.visible_to(self.request.user), pk=self.kwargs["pk"])
        return Attempt.objects.filter(job=job)


class LogView(APIView):
    """An attempt's log as text from a byte offset on; read on at `X-Log-Size` until `X-Log-Complete` is true."""

    queryset = Job.objects.all()
    renderer_classes = [PlainTextRenderer, *APIView.renderer_classes]

    @extend_schema(
        parameters=[
            OpenApiParameter("attempt", int, description="Which attempt; the latest by default."),
            OpenApiParameter("offset", int, description="Bytes to skip."),
            OpenApiParameter("wait", int, description="Seconds to wait for more, up to 30."),
        ],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: int) -> HttpResponse:
        job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
        number = _number(request, "attempt")
        offset = _number(request, "offset") or 0
        wait = min(_number(request, "wait") or 0, _WAIT_SECONDS_MAX)
        if wait and _waiters.acquire(blocking=False):
            try:
                attempt = _wait(job, number=number, offset=offset, until=time.monotonic() + wait)
            finally:
                _waiters.release()
        else:
            attempt = _attempt(job, number=number)
        if attempt is None:
            return _answer(b"", offset=0, size=0, complete=job.is_finished)
        excerpt = logs.read(attempt, offset=offset)
        return _answer(excerpt.content, offset=excerpt.offset, size=attempt.log_size, complete=attempt.is_over)


def _wait(job: Job, *, number: int | None, offset: int, until: float) -> Attempt | None:
    """Wait for text behind the offset, of a job not attempted yet for its first attempt as well."""
    if number is None and not job.attempt:
        logs.wait_for_attempt(job, until=until)
    attempt = _attempt(job, number=number)
    return logs.wait_for_more(attempt, offset=offset, until=until) if attempt else None


def _attempt(job: Job, *, number: int | None) -> Attempt | None:
    """Return the attempt of that number, or the latest, None if there was none yet; raise Http404 for a number."""
    found = Attempt.objects.filter(job=job, number=job.attempt if number is None else number).first()
    if found is None and number is not None:
        raise Http404
    return found


def _answer(content: bytes, *, offset: int, size: int, complete: bool) -> HttpResponse:
    headers = {
        "X-Log-Offset": str(offset),
        "X-Log-Size": str(size),
        "X-Log-Complete": "true" if complete else "false",
        "Cache-Control": "no-store",
    }
    return HttpResponse(content, content_type="text/plain; charset=utf-8", headers=headers)


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not value.isdecimal() or not value.isascii() or len(value) > 18:
        raise ValidationError({name: ["Give a whole number that is not negative."]})
    return int(value)
