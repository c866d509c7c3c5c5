"""Models read by plain SQL are what Django itself reads, every type and column of them."""

from __future__ import annotations

import pytest
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from clients import rows
from pipelines.models import Job, Pipeline, Stage
from runners.models import Attempt, Runner
from tests.scenes import a_client, a_pipeline, a_runner, claim_all, job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def some_of_all() -> None:
    a_runner()
    Runner.objects.update(kinds=["Shell"])
    params = {"command": ["true"], "env": {"ÄÖ": 'quoted "text"'}}
    a_pipeline(a_client(), {"build": [{"name": "a", "params": params, "timeout": 5}]}, labels={"team": "web"})
    claim_all()


def values(row: Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("model", [Job, Pipeline, Stage, Attempt, Runner])
def test_a_row_is_what_django_reads(model: type[Model]) -> None:
    (read,) = rows.read(model, f"SELECT {{columns}} FROM {model._meta.db_table}", [])
    expected = model._default_manager.get()
    assert values(read) == values(expected)
    assert read == expected
    assert (read._state.adding, read._state.db) == (False, expected._state.db)


def test_what_is_left_out_is_read_when_it_is_asked_for(django_assert_num_queries: CaptureQueriesContext) -> None:
    statement = "SELECT {columns} FROM pipelines_job WHERE name = %(name)s"
    (read,) = rows.read(Job, statement, {"name": "a"}, without=("params", "result"))
    assert read.get_deferred_fields() == {"params", "result"}
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert read.params["env"] == {"ÄÖ": 'quoted "text"'}


def test_a_statement_may_return_nothing() -> None:
    assert rows.read(Job, "SELECT {columns} FROM pipelines_job WHERE false", []) == []
    assert rows.ask("UPDATE pipelines_job SET message = %s", ["written"]) == []
    assert Job.objects.get().message == "written"
    assert rows.ask("SELECT count(*) FROM pipelines_job", []) == [(1,)]
    assert job(Pipeline.objects.get(), "a").attempt == 1
