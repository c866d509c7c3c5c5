"""Rows and instances of models by raw SQL, at little more than what the database takes to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import DateTimeField, Model

Row = TypeVar("Row", bound=Model)
_Values = Sequence[Any] | Mapping[str, Any]
_Converters = list[tuple[int, Callable[[Any, Any, Any], Any]]]


def ask(statement: str, values: _Values) -> list[tuple[Any, ...]]:
    """Return the rows that the statement returns, none where it returns nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        # Not `description`: of twenty columns it makes twenty objects.
        return cursor.fetchall() if cursor.rownumber is not None else []


def read(
    model: type[Row],
    statement: str,
    values: _Values,
    *,
    without: tuple[str, ...] = (),
) -> list[Row]:
    """Return the instances whose columns the statement asks for by `{columns}`; it gives their table no other name.

    For what is on the way of every request or report: `Manager.raw` finds out each time which column is which field.
    The fields named in `without` are read when they are asked for.
    """
    columns, names, converters = _plan(model, without)
    rows: list[Any] = ask(statement.replace("{columns}", columns), values)
    if converters:
        rows = [list(row) for row in rows]
        for row in rows:
            for place, converter in converters:
                row[place] = converter(row[place], None, connection)
    return [model.from_db(connection.alias, names, row) for row in rows]


def from_json(model: type[Model], text: str | None) -> list[dict[str, Any]]:
    """Return the columns of the table's rows that the database wrote with `json_agg`, moments read; none of null.

    For rows that one statement returns beside others.
    """
    found: list[dict[str, Any]] = json.loads(text or "[]")
    moments = _moments(model)
    for row in found:
        for column in moments:
            if row[column] is not None:
                row[column] = datetime.fromisoformat(row[column])
    return found


def instance(model: type[Row], columns: Mapping[str, Any]) -> Row:
    """Return the instance whose row has these columns."""
    fields = model._meta.concrete_fields
    values = [columns[str(field.column)] for field in fields]
    return model.from_db(connection.alias, [field.attname for field in fields], values)


@cache
def _moments(model: type[Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if isinstance(field, DateTimeField)]


@cache
def _plan(model: type[Model], without: tuple[str, ...]) -> tuple[str, list[str], _Converters]:
    """Return the columns as SQL, the attributes they are, and those whose values Django converts, as with JSON."""
    fields = [field for field in model._meta.concrete_fields if field.name not in without]
    columns = ", ".join(f"{model._meta.db_table}.{field.column}" for field in fields)
    converters: Any = [(place, getattr(field, "from_db_value", None)) for place, field in enumerate(fields)]
    return columns, [field.attname for field in fields], [each for each in converters if each[1] is not None]
