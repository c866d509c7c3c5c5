from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

_ROUTES = {
    "pipelines": "pipeline-list",
    "jobs": "job-list",
    "kinds": "kind-list",
    "kinds_schema": "kind-schema",
    "queue": "queue",
    "me": "me",
    "runners": "runner-list",
    "schema": "schema",
    "docs": "docs",
}


class RootView(APIView):
    """Task Pipeline: what there is. Smaller number = higher priority, everywhere."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response({name: reverse(route, request=request) for name, route in _ROUTES.items()})
