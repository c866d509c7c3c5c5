from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection
from django.db.models import CASCADE, SET_NULL, Model, QuerySet
from django.db.models.deletion import get_candidate_relations_to_delete


def update_rows(
    table: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    types: Mapping[str, str],
    assign: Sequence[str] = (),
    where: str = "true",
    values: Mapping[str, Any] | None = None,
    then: str = "",
    told: Sequence[str] = (),
) -> list[int]:
    """Write each row's own values in one UPDATE and return the ids written.

    Each row holds `id` and the same columns, whose SQL types `types` tells; `assign` and `where` are SQL over
    `target` and `row` with the named `values`. `then` is a statement that goes on with the rows `written`, of which it
    is told `id` and these columns. Identifiers are the caller's own, never input; values travel as parameters.
    """
    if not rows:
        return []
    columns = [name for name in rows[0] if name != "id"]
    record = ", ".join(["id bigint", *(f"{name} {types[name]}" for name in columns)])
    assignments = ", ".join([*(f"{name} = row.{name}" for name in columns), *assign])
    # Raw SQL: the ORM has no UPDATE ... FROM a list of rows, and its bulk_update grows a CASE per row and column.
    statement = (
        f"UPDATE {table} AS target SET {assignments} FROM jsonb_to_recordset(%(rows)s::jsonb) AS row({record}) "  # noqa: S608
        f"WHERE target.id = row.id AND {where} RETURNING " + ", ".join(f"target.{name}" for name in ("id", *told))
    )
    if then:
        statement = f"WITH written AS ({statement}), more AS ({then}) SELECT id FROM written"  # noqa: S608
    payload = _json([dict(row) for row in rows])
    with connection.cursor() as cursor:
        cursor.execute(statement, {**(values or {}), "rows": payload})
        return [row[0] for row in cursor.fetchall()]


def _json(rows: list[dict[str, Any]]) -> str:
    try:
        return orjson.dumps(rows, default=str).decode()
    except orjson.JSONEncodeError:  # a result may hold integers of more than 64 bits
        return json.dumps(rows, default=str)


def delete_with_dependants(rows: QuerySet[Any], *, gone: Collection[type[Model]] = ()) -> None:
    """Delete the rows and all that hangs on them, whatever app it belongs to; `gone`: of these models nothing is left.

    A statement for each table, where Django's own way reads every row first and deletes a hundred at a time. No
    signals are sent. What protects the rows makes the database refuse: nothing is deleted then.
    """
    relations: list[Any] = list(get_candidate_relations_to_delete(rows.model._meta))
    for relation in relations:
        field = relation.field
        if field.model in gone:
            continue
        dependants = field.model._base_manager.filter(**{f"{field.name}__in": rows})
        if relation.on_delete is CASCADE:
            delete_with_dependants(dependants, gone=gone)
        elif relation.on_delete is SET_NULL:
            dependants.update(**{field.name: None})
    # The one statement that Django, too, ends with; it has no public name.
    rows._raw_delete(rows.db)
