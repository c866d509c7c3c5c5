"""Rows as JSON, fast: lists are made of them, and pipelines of many jobs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from django.db.models import Model
from rest_framework import serializers

Row = TypeVar("Row", bound=Model)


class RowSerializer(serializers.ModelSerializer[Row]):
    """Shows the attribute each field names, as it is; the renderer knows dates. Method fields are asked.

    DRF makes the fields anew for every instance of a serializer, and asks each of them for every row. Here they
    describe the row for the OpenAPI document, and are looked at once for each class.
    """

    def to_representation(self, instance: Row) -> dict[str, Any]:
        names, values, methods = _plan(type(self))
        shown = dict(zip(names, values(instance), strict=True))
        for name, method in methods:
            shown[name] = getattr(self, method)(instance)
        return shown


@cache
def _plan(
    serializer: type[RowSerializer[Any]],
) -> tuple[list[str], Callable[[Any], tuple[Any, ...]], list[tuple[str, str]]]:
    """Return the names and attributes of the plain fields, then the names and methods of the others."""
    sources: dict[str, str] = {}
    methods: list[tuple[str, str]] = []
    for name, field in serializer().fields.items():
        if isinstance(field, serializers.SerializerMethodField):
            methods.append((name, field.method_name or f"get_{name}"))
        else:
            sources[name] = field.source or name
    return list(sources), attrgetter(*sources.values()), methods
