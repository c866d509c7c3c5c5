from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pipelines import kinds
from pipelines.definition.schema import document_schema


class KindSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    runner_type = serializers.CharField()
    summary = serializers.CharField()
    schema = serializers.DictField()
    example = serializers.DictField()


class KindListSerializer(serializers.Serializer[Any]):
    """A list like all others; there are never so many kinds that it has a second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = KindSerializer(many=True)


class KindListView(APIView):
    """The kinds of jobs this service has: versions, JSON Schemas of their params, examples."""

    @extend_schema(responses=KindListSerializer)
    def get(self, request: Request) -> Response:
        listed = [
            {
                "name": kind.name,
                "version": kind.version,
                "runner_type": kind.runner_type,
                "summary": kind.summary,
                "schema": kind.schema(),
                "example": dict(kind.example),
            }
            for kind in kinds.kinds()
        ]
        return Response({"next": None, "previous": None, "results": listed})


class DocumentSchemaView(APIView):
    """One JSON Schema (draft 2020-12) of a whole pipeline document, ready for an editor."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(document_schema(max_jobs=settings.MAX_JOBS_PER_PIPELINE))
