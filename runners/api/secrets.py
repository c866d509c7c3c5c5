"""A client's named secrets: values go in and never come out; beside `me/`, whose they are."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clients import vault
from clients.exceptions import InvalidSecret
from clients.models import NamedSecret
from clients.principals import submitting_client
from runners.api.parsers import BoundedJSONParser
from runners.api.strict import Strict

_CLIENT = OpenApiParameter("client", str, description="For staff: whose secrets.")
_NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="Letters, digits, `_`; the first no digit.")


class NamedSecretSerializer(serializers.ModelSerializer[NamedSecret]):
    """A secret as it is shown: without its value."""

    class Meta:
        model = NamedSecret
        fields = ("name", "created_at", "updated_at")
        read_only_fields = fields


class _Text(serializers.CharField):
    """A string as it is: nothing is trimmed, and a number is none."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SecretValueSerializer(Strict, serializers.Serializer[Any]):
    called = "secret"

    value = _Text(
        write_only=True,
        trim_whitespace=False,
        help_text=f"1 to {vault.VALUE_BYTES} bytes; kept encrypted, never shown.",
    )


_LIST = inline_serializer(
    "NamedSecretList",
    {
        "next": serializers.CharField(allow_null=True),
        "previous": serializers.CharField(allow_null=True),
        "results": NamedSecretSerializer(many=True),
    },
)


class SecretListView(APIView):
    """The names of a client's secrets, for params to refer to as `${{ secrets.NAME }}`."""

    queryset = NamedSecret.objects.all()

    @extend_schema(parameters=[_CLIENT], responses=_LIST)
    def get(self, request: Request) -> Response:
        secrets = NamedSecret.objects.filter(client=submitting_client(request)).order_by("name")
        shown = NamedSecretSerializer(secrets, many=True).data
        return Response({"next": None, "previous": None, "results": shown})


class SecretView(APIView):
    """One secret of a client."""

    queryset = NamedSecret.objects.all()
    parser_classes = [BoundedJSONParser]

    @extend_schema(
        parameters=[_CLIENT, _NAME], request=SecretValueSerializer, responses={201: NamedSecretSerializer, 204: None}
    )
    def put(self, request: Request, name: str) -> Response:
        """Keep a value under the name: 201 if the name is new, 204 if it replaced another value."""
        client = submitting_client(request)
        sent = SecretValueSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        try:
            is_new = vault.put(client, name=name, value=sent.validated_data["value"])
        except InvalidSecret as refused:
            raise serializers.ValidationError({refused.field: [str(refused)]}) from refused
        if not is_new:
            return Response(status=204)
        return Response(NamedSecretSerializer(NamedSecret.objects.get(client=client, name=name)).data, status=201)

    @extend_schema(parameters=[_CLIENT, _NAME], responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Forget it; jobs that refer to it and have not started will fail."""
        if not vault.delete(submitting_client(request), name=name):
            raise Http404
        return Response(status=204)
