from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import Model, Q
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from pipelines import clock
from pipelines.definition.values import unusable_scalar

_Position = tuple[Any, ...]


class IdCursorPagination(CursorPagination):
    """Pages by cursor, newest first: `{next, previous, results}`; stable while rows come and go.

    A cursor is the position of a row in the whole ordering, which ends in something unique. DRF's own knows the first
    column only and counts rows that tie in it, up to a thousand: with ten thousand jobs of one priority it would show
    the same page for ever.
    """

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self._url = request.build_absolute_uri()
        self._ordering = self.get_ordering(request, queryset, view)
        size = self.get_page_size(request)
        backwards, position = self._read_cursor(request, model=queryset.model)
        ordering = [_opposite(name) for name in self._ordering] if backwards else list(self._ordering)
        rows = queryset.filter(_behind(position, ordering=ordering)) if position else queryset
        found: list[Any] = list(rows.order_by(*ordering)[: size + 1])
        self.page = found[:size]
        more = len(found) > size
        if backwards:
            self.page.reverse()
        self.has_next, self.has_previous = (True, more) if backwards else (more, position is not None)
        # Where a page is empty, what was on it is gone; the way back leads from where it would begin.
        self._edges = [self._position_of(self.page[at]) if self.page else position for at in (0, -1)]
        return self.page

    def first_page(self, rows: list[dict[str, Any]], *, request: Request) -> list[dict[str, Any]]:
        """Return the first page of the list as it is asked for without any parameter.

        Of rows that were read newest first by other means than a queryset, one more than a page holds.
        """
        self._url = request.build_absolute_uri()
        page = self.page = rows[: self.page_size]
        self.has_next, self.has_previous = len(rows) > self.page_size, False
        self._edges = [(page[at]["id"],) if page else None for at in (0, -1)]
        return page

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size")
        if given is None:
            return self.page_size
        if not given.isascii() or not given.isdecimal() or len(given) > 9 or int(given) < 1:
            raise ValidationError({"page_size": [f"Give a whole number from 1 to {self.max_page_size}."]})
        return min(int(given), self.max_page_size)

    def get_next_link(self) -> str | None:
        return self._link(self._edges[1], backwards=False) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self._link(self._edges[0], backwards=True) if self.has_previous else None

    def _link(self, position: _Position | None, *, backwards: bool) -> str:
        cursor = json.dumps([int(backwards), *(position or ())]).encode()
        return replace_query_param(self._url, self.cursor_query_param, urlsafe_b64encode(cursor).decode())

    def _read_cursor(self, request: Request, *, model: type[Model]) -> tuple[bool, _Position | None]:
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is None:
            return False, None
        try:
            backwards, *position = json.loads(urlsafe_b64decode(encoded.encode("ascii")))
            values = [_value(item, name=name, model=model) for name, item in zip(self._ordering, position, strict=True)]
        except (ValueError, TypeError, RecursionError, binascii.Error, InvalidValue):
            raise ValidationError({"cursor": ["It belongs to no page of this list; begin without it."]}) from None
        return backwards == 1, tuple(values)

    def _position_of(self, row: Model) -> _Position:
        values = [getattr(row, name.lstrip("-")) for name in self._ordering]
        return tuple(value.isoformat() if isinstance(value, datetime) else value for value in values)


def _opposite(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _behind(position: _Position, *, ordering: Sequence[str]) -> Q:
    """Return what comes after the position: greater in the first column, or equal there and greater in the next."""
    behind = Q()
    equal = Q()
    for name, value in zip(ordering, position, strict=True):
        column, way = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        behind |= equal & Q(**{f"{column}__{way}": value})
        equal &= Q(**{column: value})
    return behind


def _value(item: object, *, name: str, model: type[Model]) -> Any:
    """Return the value of a cursor as its column has it; raise ValueError or ValidationError if it could not be."""
    if not isinstance(item, str | int) or unusable_scalar(item):
        raise ValueError(item)
    column: Any = model._meta.get_field(name.lstrip("-"))
    value = column.to_python(item)
    if isinstance(value, datetime):
        return clock.in_utc(value)
    return value
