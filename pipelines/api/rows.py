"""Rows as JSON, fast: lists are made of them, and pipelines of many jobs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from django.db.models import Model
from rest_framework import serializers

Row = TypeVar("Row", bound=Model)


class RowSerializer(serializers.ModelSerializer[Row]):
    """Shows the attribute each field names, as it is; the renderer knows dates.

    DRF makes the fields anew for every instance of a serializer, and asks each of them for every row. Here they
    describe the row for the OpenAPI document, and are looked at once for each class.
    """

    @classmethod
    def show(cls, row: Any, **given: Any) -> dict[str, Any]:
        """Return the row as JSON has it, an instance or whatever has its attributes; what is given is shown so."""
        template, names, values = _plan(cls, tuple(given))
        return template | dict(zip(names, values(row), strict=True)) | given

    def to_representation(self, instance: Row) -> dict[str, Any]:
        return self.show(instance)


class _Plan(NamedTuple):
    template: dict[str, None]
    names: list[str]
    values: Callable[[Any], tuple[Any, ...]]


@cache
def _plan(serializer: type[RowSerializer[Any]], given: tuple[str, ...]) -> _Plan:
    """Return all fields in their order, and the names and attributes of those that are not given."""
    fields = serializer().fields
    sources = {name: str(field.source or name) for name, field in fields.items() if name not in given}
    return _Plan(dict.fromkeys(fields), list(sources), attrgetter(*sources.values()))
