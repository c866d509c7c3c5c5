"""Rows and instances of models by raw SQL, at little more than what the database takes to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import DateTimeField, Field, Model

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


def from_json(model: type[Row], text: str | None) -> list[Row]:
    """Return the instances of the table's rows that the database wrote with `json_agg`; none of null.

    For rows that one statement returns beside others.
    """
    columns, names = _columns(model)
    moments = [column for column in columns if isinstance(columns[column], DateTimeField)]
    found = []
    for row in json.loads(text or "[]"):
        for column in moments:
            if row[column] is not None:
                row[column] = datetime.fromisoformat(row[column])
        found.append(model.from_db(connection.alias, names, [row[column] for column in columns]))
    return found


@cache
def _columns(model: type[Model]) -> tuple[dict[str, Field[Any, Any]], list[str]]:
    """Return the fields by their columns, and the attributes they are."""
    fields = model._meta.concrete_fields
    return {str(field.column): field for field in fields}, [field.attname for field in fields]


@cache
def _plan(model: type[Model], without: tuple[str, ...]) -> tuple[str, list[str], _Converters]:
    """Return the columns as SQL, the attributes they are, and those whose values Django converts, as with JSON."""
    fields = [field for field in model._meta.concrete_fields if field.name not in without]
    columns = ", ".join(f"{model._meta.db_table}.{field.column}" for field in fields)
    converters: Any = [(place, getattr(field, "from_db_value", None)) for place, field in enumerate(fields)]
    return columns, [field.attname for field in fields], [each for each in converters if each[1] is not None]
