"""The full matrix of (state, state): at the model, at the set-based move and against the database's own guard."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction

from pipelines import clock, moves
from pipelines.exceptions import InvalidTransition
from pipelines.models import Event, Job, Pipeline, Stage
from pipelines.states import EDGES, FINISHED, State
from tests.scenes import a_client, a_pipeline, job

pytestmark = pytest.mark.django_db

PAIRS = list(product(State, State))
# How a job comes to stand in a state, by legal edges only.
WAYS = {
    State.READY: [],
    State.IN_PROGRESS: [State.IN_PROGRESS],
    State.DONE: [State.IN_PROGRESS, State.DONE],
    State.CANCELLED: [State.CANCELLED],
    State.ERROR: [State.IN_PROGRESS, State.ERROR],
}
MARKS: dict[State, Callable[[Job], None]] = {
    State.READY: lambda job: job.mark_ready(now=clock.now(), eligible_at=clock.now(), reason="again"),
    State.IN_PROGRESS: lambda job: job.mark_in_progress(now=clock.now(), runner_name="local"),
    State.DONE: lambda job: job.mark_done(now=clock.now(), exit_code=0),
    State.CANCELLED: lambda job: job.mark_cancelled(now=clock.now(), reason="cancelled"),
    State.ERROR: lambda job: job.mark_error(now=clock.now(), reason="exit_code"),
}


@pytest.fixture
def pipeline() -> Pipeline:
    return a_pipeline(a_client(), {"build": [f"job {state}" for state in State]})


def put(subject: Job, state: State) -> Job:
    for target in WAYS[state]:
        assert moves.move_jobs([{"id": subject.pk}], target=target, now=clock.now()) == [subject.pk]
    subject.refresh_from_db()
    assert subject.state == state
    return subject


def values(subject: Job) -> dict[str, Any]:
    return dict(Job.objects.filter(pk=subject.pk).values().get())


def update_state(ids: list[int], target: State) -> None:
    """Set the state as somebody at psql would, what the CHECK asks for included."""
    finished = "now()" if target in FINISHED else "NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE pipelines_job SET state = %s, finished_at = {finished} WHERE id = ANY(%s)", [target, ids]
        )


def test_the_edges_are_those_of_the_design() -> None:
    assert {f"{a}-{b}" for a, b in EDGES} == {
        "READY-IN_PROGRESS",
        "READY-CANCELLED",
        "IN_PROGRESS-DONE",
        "IN_PROGRESS-READY",
        "IN_PROGRESS-ERROR",
    }


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_model_method_moves_along_an_edge_or_raises_and_changes_nothing(
    pipeline: Pipeline, source: State, target: State
) -> None:
    subject = put(job(pipeline, "job READY"), source)
    before = values(subject)
    if (source, target) in EDGES:
        MARKS[target](subject)
        assert subject.state == target == values(subject)["state"]
        assert (subject.finished_at is not None) == (target in FINISHED)
    else:
        with pytest.raises(InvalidTransition, match=f"The job is {source}"):
            MARKS[target](subject)
        assert values(subject) == before
        assert subject.state == source


@pytest.mark.parametrize("target", State)
def test_a_set_moves_only_what_stands_at_the_start_of_an_edge(pipeline: Pipeline, target: State) -> None:
    jobs = {state: put(job(pipeline, f"job {state}"), state) for state in State}
    before = {state: values(subject) for state, subject in jobs.items()}
    moved = moves.move_jobs(
        [{"id": subject.pk, "runner_name": "moved"} for subject in jobs.values()], target=target, now=clock.now()
    )
    assert set(moved) == {jobs[source].pk for source, end in EDGES if end == target}
    for state, subject in jobs.items():
        if subject.pk in moved:
            assert (values(subject)["state"], values(subject)["runner_name"]) == (target, "moved")
        else:
            assert values(subject) == before[state]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_database_refuses_every_update_off_the_edges(pipeline: Pipeline, source: State, target: State) -> None:
    subject = put(job(pipeline, "job READY"), source)
    if source == target or (source, target) in EDGES:
        update_state([subject.pk], target)
        assert values(subject)["state"] == target
    else:
        with pytest.raises(DatabaseError, match="transition"), transaction.atomic():
            update_state([subject.pk], target)
        assert values(subject)["state"] == source


def test_the_acceptance_statement_typed_into_psql_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE pipelines_job SET state='DONE' WHERE state='READY'")
    assert set(Job.objects.values_list("state", flat=True)) == {State.READY}


@pytest.mark.parametrize("state", [state for state in State if state != State.READY])
@pytest.mark.parametrize("model", [Job, Stage, Pipeline])
def test_the_database_refuses_a_row_created_in_any_state_but_ready(
    pipeline: Pipeline, model: type[models.Model], state: State
) -> None:
    rows = model._default_manager
    row: dict[str, Any] = dict(rows.order_by("pk").values()[0])
    row |= {"state": state, "finished_at": clock.now() if state in FINISHED else None, "name": "new"}
    row |= {"position": 99} if model is Stage else {}
    row["id"] += 1_000_000
    with pytest.raises(DatabaseError, match="annot insert"), transaction.atomic():
        rows.bulk_create([model(**row)])
    with pytest.raises(Exception, match="annot insert"), transaction.atomic():
        copy(model._meta.db_table, state=state, offset=1_000_000)
    assert not rows.filter(pk=row["id"]).exists()


def copy(table: str, *, state: State, offset: int) -> None:
    """Copy the table's first row, in another state, by COPY."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id LIMIT 1")
        columns = [column.name for column in cursor.description or ()]
        row = dict(zip(columns, cursor.fetchone(), strict=True))
        row |= {"id": row["id"] + offset, "state": str(state), "name": "new"}
        row |= {"finished_at": clock.now() if state in FINISHED else None} | (
            {"position": 99} if "position" in row else {}
        )
        row = {name: value for name, value in row.items() if name not in ("params", "labels", "result")}
        if "params" in columns:
            row["params"] = "{}"
        if "labels" in columns:
            row["labels"] = "{}"
        with cursor.copy(f"COPY {table} ({', '.join(row)}) FROM STDIN") as sink:
            sink.write_row(list(row.values()))


def test_a_ready_row_may_be_copied_in(pipeline: Pipeline) -> None:
    copy("pipelines_job", state=State.READY, offset=1_000_000)
    assert Job.objects.filter(name="new", state=State.READY).exists()


def test_a_deleted_row_needs_no_state(pipeline: Pipeline) -> None:
    put(job(pipeline, "job DONE"), State.DONE)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pipelines_job WHERE state = 'DONE'")
    assert Event.objects.filter(subject="job", to_state=State.DONE).exists()
