"""Migrations run while the former version serves; each is read here before it meets a table of a million rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.state import ModelState, ProjectState

from pipelines.online import AddIndexOnline, tune_table
from tests.migration_rules import mistakes

ROOT = Path(__file__).parents[1]
OURS = ("clients", "pipelines", "runners")


def later_migrations() -> list[tuple[str, str]]:
    """Return all but the first of each app: those that may run on a database in use."""
    nodes = MigrationLoader(None).disk_migrations
    return sorted(node for node in nodes if node[0] in OURS and not node[1].startswith("0001_"))


@pytest.mark.django_db
@pytest.mark.parametrize("node", later_migrations(), ids=".".join)
def test_a_migration_is_safe_while_the_former_version_serves(node: tuple[str, str]) -> None:
    """A migration that cannot be names why in its attribute `stops_service`, and the CHANGELOG says so."""
    loader = MigrationLoader(None)
    subject = loader.disk_migrations[node]
    if getattr(subject, "stops_service", ""):
        assert ".".join(node) in (ROOT / "CHANGELOG.md").read_text()
        return
    assert list(mistakes(subject, state=loader.project_state(node, at_end=False))) == []


def a_state() -> ProjectState:
    made = ProjectState()
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
        ("note", models.TextField(null=True)),
        ("size", models.IntegerField(null=True)),
    ]
    made.add_model(ModelState("pipelines", "thing", fields))
    return made


def migration(*operations: Any, atomic: bool = True) -> Migration:
    made: Any = Migration("0002_test", "pipelines")
    made.operations, made.atomic = list(operations), atomic
    return made  # type: ignore[no-any-return]


def found(*operations: Any, atomic: bool = True) -> list[str]:
    return list(mistakes(migration(*operations, atomic=atomic), state=a_state()))


INDEX = models.Index(fields=["name"], name="thing_name")
CHECK = models.CheckConstraint(name="thing_check", condition=models.Q(size__gt=0))


@pytest.mark.parametrize(
    "operation",
    [
        ops.AddField("thing", "new", models.IntegerField()),
        ops.AddField("thing", "new", models.IntegerField(default=7)),  # a default of Django's is none of the table's
        ops.AddField("thing", "new", models.IntegerField(null=True, db_index=True)),
        ops.AddField("thing", "new", models.IntegerField(null=True, unique=True)),
        ops.AddField("thing", "new", models.ForeignKey("thing", models.CASCADE, null=True)),
        ops.RemoveField("thing", "note"),
        ops.RenameField("thing", "note", "remark"),
        ops.RenameModel("thing", "item"),
        ops.DeleteModel("thing"),
        ops.AlterModelTable("thing", "items"),
        ops.AlterField("thing", "size", models.BigIntegerField(null=True)),
        ops.AlterField("thing", "size", models.IntegerField()),
        ops.AlterField("thing", "name", models.CharField(max_length=9)),
        ops.AlterField("thing", "name", models.CharField(max_length=10, db_index=True)),
        ops.AlterField("thing", "name", models.CharField(max_length=10, unique=True)),
        ops.AddIndex("thing", INDEX),
        ops.AddConstraint("thing", CHECK),
        ops.AddConstraint("thing", models.UniqueConstraint(fields=["name"], name="thing_unique")),
        ops.RunSQL("UPDATE pipelines_thing SET size = 0"),
        ops.RunSQL(["ALTER TABLE pipelines_thing SET (fillfactor = 90)", "DROP TABLE pipelines_thing"]),
        ops.SeparateDatabaseAndState(database_operations=[ops.AddIndex("thing", INDEX)]),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_is_not_safe_is_found(operation: Any) -> None:
    (told,) = found(operation)
    assert told.startswith("pipelines.0002_test: ")


def test_an_index_beside_the_writers_needs_a_migration_without_a_transaction() -> None:
    assert found(AddIndexOnline("thing", INDEX), atomic=False) == []
    assert found(AddIndexConcurrently("thing", INDEX), atomic=True) != []


@pytest.mark.parametrize(
    "operation",
    [
        ops.AddField("thing", "new", models.IntegerField(null=True)),
        ops.AddField("thing", "new", models.IntegerField(db_default=7)),
        ops.AddField("thing", "new", models.ForeignKey("thing", models.CASCADE, null=True, db_index=False)),
        ops.AlterField("thing", "name", models.CharField(max_length=11, help_text="Its name.")),
        ops.AlterField("thing", "name", models.CharField(max_length=10, null=True)),
        ops.RemoveConstraint("thing", "thing_check"),
        ops.RunPython(ops.RunPython.noop),
        tune_table("pipelines_thing", fillfactor=90),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_is_safe_is_let_through(operation: Any) -> None:
    before = a_state()
    before.models["pipelines", "thing"].options["constraints"] = [CHECK]
    assert list(mistakes(migration(operation), state=before)) == []


def test_a_table_that_nobody_uses_yet_may_be_changed_at_will() -> None:
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
    ]
    index = models.Index(fields=["name"], name="other_name")
    assert found(ops.CreateModel("other", fields), ops.AddIndex("other", index)) == []


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["pipelines_job", "pipelines_pipeline", "pipelines_stage", "runners_attempt"])
def test_tables_that_change_all_the_time_are_vacuumed_sooner(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [table])
        (options,) = cursor.fetchone()
    set_to = dict(option.split("=") for option in options)
    assert 0 < float(set_to["autovacuum_vacuum_scale_factor"]) <= 0.05
    assert 0 < float(set_to["autovacuum_analyze_scale_factor"]) <= 0.05


@pytest.mark.django_db(transaction=True)
def test_an_index_that_was_interrupted_is_built_anew() -> None:
    index = models.Index(fields=["message"], name="test_interrupted")
    operation = AddIndexOnline("job", index)
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("pipelines", after)

    def is_valid() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'test_interrupted'::regclass")
            return bool(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        try:
            cursor.execute("CREATE INDEX test_interrupted ON pipelines_job (message)")
            cursor.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'test_interrupted'::regclass"
            )  # as one that was cancelled half-way
            assert not is_valid()
            cursor.execute("SET lock_timeout = '3s'")
            with connection.schema_editor(atomic=False) as editor:
                operation.database_forwards("pipelines", editor, before, after)
            assert is_valid()
            assert cursor.execute("SHOW lock_timeout").fetchone() == ("3s",)
        finally:
            cursor.execute("RESET lock_timeout")
            cursor.execute("DROP INDEX IF EXISTS test_interrupted")
