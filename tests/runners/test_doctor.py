"""Every invariant broken on purpose is found, and a service that does as it should is found well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock
from pipelines.models import Job
from runners import doctor, pool
from runners.models import Attempt, Runner
from tests.scenes import FAILED, SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, go_silent, job, run

pytestmark = pytest.mark.django_db


def found() -> dict[str, int]:
    return {violation.rule: violation.count for violation in doctor.check(now=clock.now())}


def tamper(*statements: str) -> None:
    """Write to the database past its triggers and foreign keys, as nobody should."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")


@pytest.fixture
def client() -> Client:
    a_runner(capacity=4)
    return a_client(queue_size=4)


@pytest.fixture
def running(client: Client) -> list[Job]:
    """Return two running jobs of the three of a first stage."""
    a_pipeline(client, {"s": ["a", "b"], "t": ["c"]})
    return claim_all()


def test_it_finds_nothing_where_all_is_well(client: Client, settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS, settings.DIVIDE_INLINE_MAX_JOBS = 0, 3
    assert found() == {}
    a_pipeline(client, {"s": ["one"] + [f"job {n}" for n in range(9)]})  # undivided
    a_pipeline(client, {"s": [{"name": "a", "retry_attempt": 5}, "b"], "t": ["c"]})
    a_pipeline(client, {"s": [{"name": "a", "allow_failure": True}], "t": ["c"]})
    stopped = a_pipeline(client, {"s": ["a"], "t": ["c"]})
    for end in (FAILED, SUCCEEDED, FAILED, SUCCEEDED) * 2:
        for each in claim_all():
            assert found() == {}
            run(each, end)
            assert found() == {}
            break
    stopped.refresh_from_db()
    if not stopped.is_finished:
        cancelling.cancel_pipeline(stopped.pk, now=clock.now())
    go_silent(claim_all()[0])
    assert found() == {}


def test_a_job_in_progress_at_its_third_attempt_counts_once(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_runner(capacity=1)
    a_pipeline(a_client(queue_size=1), {"s": [{"name": "a", "retry_attempt": 5}]})
    for _ in range(3):
        run(claim_all()[0], FAILED)
    claim_all()
    assert found() == {}


def claim_one_more(client: Client) -> None:
    """Have a job handed out past every limit."""
    a_pipeline(client, {"s": ["more"]})
    tamper("UPDATE pipelines_job SET state = 'IN_PROGRESS', attempt = 1 WHERE name = 'more'")
    more = Job.objects.get(name="more")
    now = clock.now()
    runner = Runner.objects.get()
    Attempt.objects.create(
        job=more, number=1, runner=runner, claimed_at=now, sent_at=now, lease_until=now + timedelta(1)
    )


@pytest.mark.parametrize(
    ("rule", "lower"),
    [
        ("client_limit", lambda settings: Client.objects.update(queue_size=1)),
        ("runner_capacity", lambda settings: Runner.objects.update(capacity=1)),
        ("service_limit", lambda settings: setattr(settings, "QUEUE_SIZE", 1)),
    ],
)
def test_use_above_a_limit_counts_only_if_a_claim_was_made_since_it_changed(
    running: list[Job], settings: Settings, rule: str, lower: Callable[[Settings], object]
) -> None:
    lower(settings)
    assert pool.top_up() == 0
    assert found() == {}
    claim_one_more(Client.objects.get())
    assert found() == {rule: 1}


def test_a_limit_that_changed_again_is_counted_from_then(running: list[Job]) -> None:
    Client.objects.update(queue_size=1)
    claim_one_more(Client.objects.get())
    assert found() == {"client_limit": 1}
    Client.objects.update(queue_size=2)
    assert found() == {}


def test_a_limit_written_with_the_same_value_did_not_change(running: list[Job]) -> None:
    before = Client.objects.get().limits_changed_at, Runner.objects.get().capacity_changed_at
    Client.objects.update(queue_size=4, priority=3)
    Runner.objects.update(capacity=4)
    assert (Client.objects.get().limits_changed_at, Runner.objects.get().capacity_changed_at) == before


def test_a_lease_over_for_two_sweeps_is_found(running: list[Job], settings: Settings) -> None:
    settings.LEASE_SECONDS = 60
    Attempt.objects.update(lease_until=clock.now() - timedelta(seconds=9))
    assert found() == {}
    Attempt.objects.filter(job=running[0]).update(lease_until=clock.now() - timedelta(seconds=11))
    assert found() == {"lease_over": 1}


@pytest.mark.parametrize(
    ("rules", "statement"),
    [
        ({"one_live_attempt"}, "DELETE FROM runners_attempt WHERE job_id = (SELECT min(job_id) FROM runners_attempt)"),
        ({"one_live_attempt"}, "UPDATE pipelines_job SET attempt = 2 WHERE name = 'a'"),
        ({"one_live_attempt"}, "UPDATE pipelines_job SET state = 'READY' WHERE name = 'a'"),
        ({"one_live_attempt"}, "UPDATE pipelines_job SET state = 'DONE', finished_at = now() WHERE name = 'a'"),
        ({"stage_order"}, "UPDATE pipelines_stage SET opened_at = now() WHERE name = 't'"),
        (
            {"finished_pipeline_with_unfinished_jobs"},
            "UPDATE pipelines_pipeline SET state = 'DONE', finished_at = now()",
        ),
        (
            {"unfinished_pipeline_with_nothing_left", "one_live_attempt"},
            "UPDATE pipelines_job SET state = 'DONE', finished_at = now() WHERE name <> 'c'",
        ),
        ({"unfinished_pipeline_with_nothing_left"}, "UPDATE pipelines_stage SET opened_at = NULL"),
    ],
)
def test_each_broken_invariant_is_found(running: list[Job], rules: set[str], statement: str) -> None:
    assert found() == {}
    tamper(statement)
    assert set(found()) == rules


def test_a_violation_shows_its_first_rows_and_is_logged(running: list[Job], caplog: pytest.LogCaptureFixture) -> None:
    tamper("DELETE FROM runners_attempt")
    (violation,) = doctor.log_violations(now=clock.now())
    assert violation.count == 2
    assert violation.examples == [f"job {each.pk}" for each in running]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["invariant broken"]


def test_of_many_rows_ten_are_shown(client: Client, settings: Settings) -> None:
    Runner.objects.update(capacity=99)
    Client.objects.update(queue_size=None)
    a_pipeline(client, {"s": [f"job {n}" for n in range(12)]})
    claim_all()
    tamper("DELETE FROM runners_attempt")
    (violation,) = doctor.check(now=clock.now())
    assert (violation.count, len(violation.examples)) == (12, 10)


def test_a_second_live_attempt_cannot_even_be_written(running: list[Job]) -> None:
    with pytest.raises(Exception, match="attempt_one_live"), transaction.atomic():
        tamper(
            "INSERT INTO runners_attempt (job_id, number, runner_name, worker, claimed_at, sent_at, lease_until, "
            "stop_reason, outcome, reason, message, evidence, log_size) SELECT job_id, 2, '', '', now(), now(), now(), "
            "'', '', '', '', '{}', 0 FROM runners_attempt"
        )
    assert job(running[0].pipeline, "a").attempt == 1
