"""What a migration may do while the former version serves: docs/operations.md says it in words.

Written by what a statement locks and for how long, and by what the former version still writes and reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection
from django.db.migrations import operations as ops
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# A brief lock or none, and nothing that the former version misses.
_SAFE: tuple[type[Operation], ...] = (
    ops.CreateModel,
    ops.RemoveConstraint,
    ops.AlterModelOptions,
    ops.AlterModelManagers,
    ops.AlterModelTableComment,
    ops.RunPython,
    ValidateConstraint,
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
_SAFE_SQL = re.compile(r"ALTER TABLE \w+ (SET|RESET) \([^;]*\)")
_TRIGGERS = ("AddTrigger", "RemoveTrigger")


def mistakes(migration: Migration, *, state: ProjectState) -> Iterator[str]:
    """Yield what the migration does that it may not; `state` is the one before it, and is moved on."""
    new: set[str] = set()
    for operation in migration.operations:
        before = state.clone()
        operation.state_forwards(migration.app_label, state)
        if isinstance(operation, ops.CreateModel):
            new.add(operation.name_lower)
        elif getattr(operation, "model_name_lower", "") in new:
            continue  # nobody uses that table yet
        if why := _mistake(operation, app=migration.app_label, before=before, after=state):
            yield f"{migration.app_label}.{migration.name}: {operation.describe()}: {why}"
    concurrent = [op for op in migration.operations if isinstance(op, AddIndexConcurrently | RemoveIndexConcurrently)]
    if concurrent and migration.atomic:
        yield f"{migration.app_label}.{migration.name}: indexes beside the writers need `atomic = False`"


def _mistake(operation: Operation, *, app: str, before: ProjectState, after: ProjectState) -> str:
    if isinstance(operation, ops.AddField):
        return _added(operation.field)
    if isinstance(operation, ops.AlterField):
        return _altered(_column(before, app, operation), _column(after, app, operation))
    if isinstance(operation, ops.RunSQL):
        statements = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
        fine = all(_SAFE_SQL.fullmatch(str(statement).strip().rstrip(";")) for statement in statements)
        return "" if fine else "raw SQL other than a table's storage parameters"
    if isinstance(operation, ops.SeparateDatabaseAndState):
        inner = [*operation.database_operations]
        return "; ".join(filter(None, (_mistake(op, app=app, before=before, after=after) for op in inner)))
    if isinstance(operation, _SAFE) or type(operation).__name__ in _TRIGGERS:
        return ""
    if isinstance(operation, ops.AddIndex):
        return "it locks out writers: use pipelines.online.AddIndexOnline"
    if isinstance(operation, ops.RemoveIndex):
        return "use RemoveIndexConcurrently"
    if isinstance(operation, ops.AddConstraint):
        return "it reads the whole table under a lock: AddConstraintNotValid, then ValidateConstraint"
    return "the former version still uses what this takes away or renames"


def _added(field: Any) -> str:
    if field.many_to_many:
        return ""
    if not field.null and not field.has_db_default():
        return "the former version does not write it: null=True or a db_default"
    if field.unique or field.db_index:
        return "its index locks out writers: db_index=False, then pipelines.online.AddIndexOnline"
    return ""


def _altered(old: Any, new: Any) -> str:
    before, after = old.db_parameters(connection), new.db_parameters(connection)
    wider = (
        old.get_internal_type() == new.get_internal_type() == "CharField"
        and old.max_length
        and (new.max_length is None or new.max_length >= old.max_length)
    )
    if before["type"] != after["type"] and not wider:
        return "another type rewrites the table: add a column, move over to it, drop the old one a release later"
    if old.null and not new.null:
        return "it reads the whole table under a lock, and the former version may still write nulls"
    if (new.unique and not old.unique) or (new.db_index and not old.db_index):
        return "its index locks out writers: pipelines.online.AddIndexOnline"
    return ""


def _column(state: ProjectState, app: str, operation: ops.AlterField) -> Any:
    return state.apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
