"""What the database keeps whoever writes: CHECKs, unique names, one live attempt a job, one event a transition."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from pipelines.models import Event, Job, Pipeline
from pipelines.states import State
from runners.models import Attempt
from tests.concurrency import eventually
from tests.scenes import FAILED, a_client, a_pipeline, a_runner, claim_all, job, report, run

pytestmark = pytest.mark.django_db


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def pipeline() -> Pipeline:
    a_runner()
    return a_pipeline(a_client(), {"build": ["a", "b"], "deploy": ["c"]})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pipelines_pipeline SET state = 'BOGUS'",
        "UPDATE pipelines_stage SET state = 'BOGUS'",
        "UPDATE pipelines_pipeline SET state = 'DONE'",
        "UPDATE pipelines_stage SET state = 'DONE'",
        "UPDATE pipelines_pipeline SET finished_at = now()",
        "UPDATE pipelines_stage SET finished_at = now()",
        "UPDATE pipelines_job SET finished_at = now()",
        "UPDATE pipelines_pipeline SET priority = -1",
        "UPDATE pipelines_job SET priority = -1",
        "UPDATE pipelines_pipeline SET priority = 32768",
        "UPDATE pipelines_job SET priority = 32768",
        "UPDATE pipelines_job SET progress = 101",
        "UPDATE pipelines_job SET retry_attempt = -1",
        "UPDATE pipelines_job SET name = 'a'",
        "UPDATE pipelines_stage SET name = 'build'",
        "UPDATE pipelines_stage SET position = 0",
        "UPDATE clients_client SET priority = 32768",
        "UPDATE clients_client SET queue_size = -1",
        "UPDATE runners_runner SET type = 'bogus'",
        "UPDATE runners_runner SET capacity = -1",
        "UPDATE runners_attempt SET outcome = 'bogus', finished_at = now()",
        "UPDATE runners_attempt SET outcome = 'lost'",
        "UPDATE runners_attempt SET finished_at = now()",
        "INSERT INTO runners_attempt (job_id, number, runner_name, worker, claimed_at, sent_at, lease_until, "
        "stop_reason, outcome, reason, message, evidence, log_size) "
        "SELECT job_id, number + 1, '', '', now(), now(), now(), '', '', '', '', '{}', 0 FROM runners_attempt",
        "INSERT INTO runners_attempt (job_id, number, runner_name, worker, claimed_at, sent_at, lease_until, "
        "stop_reason, outcome, reason, message, evidence, log_size, finished_at) "
        "SELECT job_id, number, '', '', now(), now(), now(), '', 'lost', '', '', '{}', 0, now() FROM runners_attempt",
    ],
)
def test_the_database_refuses(pipeline: Pipeline, statement: str) -> None:
    claim_all()
    with pytest.raises(DatabaseError), transaction.atomic():
        execute(statement)


def events(**of: object) -> list[tuple[str, str, str]]:
    return list(Event.objects.filter(**of).order_by("id").values_list("subject", "from_state", "to_state"))


def test_every_creation_and_every_transition_is_one_event_in_order(pipeline: Pipeline) -> None:
    a, _ = claim_all()
    run(a, FAILED)
    assert events(job_id=a.pk) == [
        ("job", "", "READY"),
        ("job", "READY", "IN_PROGRESS"),
        ("job", "IN_PROGRESS", "ERROR"),
    ]
    assert events(job_id=job(pipeline, "c").pk) == [("job", "", "READY"), ("job", "READY", "CANCELLED")]
    run(job(pipeline, "b"))
    assert events(subject="pipeline") == [
        ("pipeline", "", "READY"),
        ("pipeline", "READY", "IN_PROGRESS"),
        ("pipeline", "IN_PROGRESS", "ERROR"),
    ]
    assert events(subject="stage", to_state="CANCELLED") == [("stage", "READY", "CANCELLED")]
    ended = Event.objects.get(job_id=a.pk, to_state="ERROR")
    assert (ended.pipeline, ended.stage_id, ended.attempt, ended.runner_name, ended.reason) == (
        pipeline,
        a.stage_id,
        1,
        "local",
        "exit_code",
    )


def test_jobs_created_by_copy_have_their_events_in_document_order(pipeline: Pipeline) -> None:
    created = list(Event.objects.filter(subject="job").order_by("id").values_list("job_id", flat=True))
    assert created == list(Job.objects.order_by("id").values_list("pk", flat=True))


def test_raw_sql_writes_one_event_a_row_moved_and_none_for_what_stays(pipeline: Pipeline) -> None:
    before = Event.objects.count()
    execute("UPDATE pipelines_job SET state = 'IN_PROGRESS' WHERE name <> 'c'")
    execute("UPDATE pipelines_job SET state = state, message = 'touched'")
    assert Event.objects.count() == before + 2


def test_a_rollback_leaves_no_event(pipeline: Pipeline) -> None:
    before = Event.objects.count()
    with transaction.atomic():
        execute("UPDATE pipelines_job SET state = 'IN_PROGRESS'")
        assert Event.objects.count() == before + 3
        transaction.set_rollback(True)
    assert Event.objects.count() == before
    assert set(Job.objects.values_list("state", flat=True)) == {State.READY}


@pytest.mark.django_db(transaction=True)
def test_an_event_carries_the_transaction_of_its_transition() -> None:
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": ["a"]})
    with transaction.atomic():
        execute("UPDATE pipelines_job SET state = 'IN_PROGRESS'")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text")
            (current,) = cursor.fetchone()
            cursor.execute("SELECT transaction::text FROM pipelines_event WHERE to_state = 'IN_PROGRESS'")
            assert cursor.fetchall() == [(current,)]
        open_events = Event.objects.filter(pipeline=pipeline).settled()
        assert not open_events.filter(to_state="IN_PROGRESS").exists()  # a reader must wait for its commit
    # Sooner or later: other databases of the same server count among the open transactions.
    eventually(lambda: Event.objects.settled().filter(to_state="IN_PROGRESS").exists())


def test_a_second_live_attempt_of_a_job_is_refused_until_the_first_is_over(pipeline: Pipeline) -> None:
    a, _ = claim_all()
    first = Attempt.objects.get(job=a)
    second = {"job": a, "number": 2, "claimed_at": first.claimed_at, "sent_at": first.sent_at}
    with pytest.raises(DatabaseError, match="attempt_one_live"), transaction.atomic():
        Attempt.objects.create(**second, lease_until=first.lease_until)
    assert report(a, FAILED) == [200]
    Attempt.objects.create(**second, lease_until=first.lease_until)
