from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.bare.models import Thing


class ThingsView(APIView):
    """Insert a row."""

    def post(self, request: Request) -> Response:
        thing = Thing.objects.create(document=request.data)
        return Response(_shown(thing), status=201)


class ThingView(APIView):
    """Show a row."""

    def get(self, request: Request, pk: int) -> Response:
        return Response(_shown(Thing.objects.get(pk=pk)))


def _shown(thing: Thing) -> dict[str, object]:
    return {"id": thing.pk, "created_at": thing.created_at, "document": thing.document}
