"""The claim among others: locked rows, racing claimers, nudges that find the turn taken."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from pipelines import cancelling, clock
from pipelines.models import Job, Pipeline
from runners import claiming, dispatch, pool, proposing, registration
from runners.exceptions import RunnerBusy
from runners.models import Attempt, Runner
from tests.concurrency import begin, eventually, held_elsewhere, result, together, wait_until_blocked
from tests.recorder import Recorder
from tests.scenes import STARTED, SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, job, report

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no wake-up leave: only the test tops the pool up."""
    monkeypatch.setattr("pipelines.nudges.send", lambda *args, **kwargs: True)


def lock_job(name: str) -> Any:
    return lambda: Job.objects.lock([Job.objects.get(name=name).pk])


def test_a_job_that_another_transaction_holds_is_skipped_without_waiting() -> None:
    a_runner()
    a_pipeline(a_client(), {"s": ["a", "b"]})
    with held_elsewhere(lock_job("a")):
        assert [each.name for each in claim_all()] == ["b"]
    assert {each.name for each in claim_all()} == {"a", "b"}


def test_a_pipeline_that_is_being_cancelled_is_skipped_without_waiting() -> None:
    a_runner()
    client = a_client()
    held = a_pipeline(client, {"s": ["a"]})
    a_pipeline(client, {"s": ["b"]})
    with held_elsewhere(lambda: Pipeline.objects.lock([held.pk])):
        assert [each.name for each in claim_all()] == ["b"]
    held.refresh_from_db()
    assert held.state == "READY"
    assert {each.name for each in claim_all()} == {"a", "b"}


def test_a_started_pipeline_goes_on_while_a_report_holds_its_row() -> None:
    a_runner(capacity=1)
    pipeline = a_pipeline(a_client(), {"s": ["a", "b"]})
    claim_all()
    Runner.objects.update(capacity=2)
    with held_elsewhere(lambda: Pipeline.objects.lock([pipeline.pk])):
        assert [each.name for each in claim_all()] == ["a", "b"]


def test_a_job_cancelled_between_the_proposal_and_the_hand_out_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    a_runner()
    pipeline = a_pipeline(a_client(), {"s": ["a", {"name": "b", "allow_failure": True}]})
    propose = proposing.propose

    def propose_then_cancel(*args: Any, **kwargs: Any) -> Any:
        found = propose(*args, **kwargs)
        if found:
            result(begin(lambda: cancelling.cancel_job(job(pipeline, "b"), now=clock.now())))
        return found

    monkeypatch.setattr(proposing, "propose", propose_then_cancel)
    assert pool.top_up() == 1
    assert job(pipeline, "b").state == "CANCELLED"
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("claim_first", [True, False])
def test_a_runner_deleted_while_it_is_chosen_loses_no_job(claim_first: bool) -> None:
    runner = a_runner()
    a_pipeline(a_client(), {"s": ["a"]})

    def delete() -> str:
        try:
            registration.delete_runner(runner)
        except RunnerBusy:
            return "busy"
        return "deleted"

    if claim_first:
        claim_all()
        assert delete() == "busy"
    else:
        with transaction.atomic():
            assert delete() == "deleted"
            top_up = begin(pool.top_up)
            wait_until_blocked(top_up)
        with pytest.raises(Exception, match="foreign key"):
            result(top_up)
        assert (Job.objects.get().state, Job.objects.get().attempt) == ("READY", 0)
        a_runner("next")
        assert [each.runner_name for each in claim_all()] == ["next"]


def usage() -> dict[str, Any]:
    """Return the use of every limit at one instant, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT client.name, NULL, count(*) FROM pipelines_job JOIN clients_client AS client "
            "ON client.id = pipelines_job.client_id WHERE state = 'IN_PROGRESS' GROUP BY client.name UNION ALL "
            "SELECT NULL, runner_name, count(*) FROM runners_attempt WHERE outcome = '' GROUP BY runner_name UNION ALL "
            "SELECT 'all', NULL, count(*) FROM pipelines_job WHERE state = 'IN_PROGRESS'"
        )
        return {client or runner: count for client, runner, count in cursor.fetchall()}


def test_two_racing_claimers_hand_no_job_out_twice_and_pass_no_limit(settings: Settings, told: Recorder) -> None:
    settings.QUEUE_SIZE = 7
    limits = {"all": 7, "alice": 3, "bob": 6, "r1": 4, "r2": 5}
    a_runner("r1", capacity=4)
    a_runner("r2", capacity=5)
    for name in ("alice", "bob"):
        client = a_client(name, queue_size=limits[name])
        a_pipeline(client, {"s": [f"{name} {n}" for n in range(20)], "t": [f"{name} last {n}" for n in range(5)]})
    over = threading.Event()
    passed: list[dict[str, Any]] = []

    def watch() -> None:
        while not over.is_set():
            seen = usage()
            if any(seen.get(name, 0) > limit for name, limit in limits.items()):
                passed.append(seen)

    def claim_and_finish(own: int) -> None:
        while Job.objects.filter(state__in=["READY", "IN_PROGRESS"]).exists():
            pool.top_up()
            for each in Job.objects.filter(state="IN_PROGRESS").order_by("id"):
                if each.pk % 2 == own:
                    assert report(each, SUCCEEDED) == [200]

    watcher = begin(watch)
    together(lambda: claim_and_finish(0), lambda: claim_and_finish(1))
    over.set()
    result(watcher)
    assert passed == []
    assert Job.objects.filter(state="DONE", attempt=1).count() == 50
    assert Counter(told.started) == Counter({(pk, 1): 1 for pk in Job.objects.values_list("pk", flat=True)})


def take_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [pool._TURN])


def test_a_nudge_that_finds_the_turn_taken_waits_and_sees_what_was_freed_meanwhile(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    pipeline = a_pipeline(a_client(), {"s": ["a", "b"]})
    (a,) = claim_all()
    with transaction.atomic():
        take_turn()
        assert claiming.claim(now=clock.now()) == []  # the running round has looked: the pool is full
        assert result(begin(lambda: report(a, STARTED, SUCCEEDED))) == [200, 200]  # a slot is freed behind its back
        nudge = begin(pool.top_up)
        wait_until_blocked(nudge)
        assert not nudge.done()
    assert result(nudge) == 1
    assert job(pipeline, "b").state == "IN_PROGRESS"


def test_a_round_that_is_not_committed_counts_against_the_limits_of_the_next(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    a_pipeline(a_client("alice"), {"s": ["a"]})
    urgent = a_client("urgent", priority=0)
    Runner.objects.update(paused_at=clock.now())
    assert pool.top_up() == 0  # so that nothing but the turn holds the next rounds apart
    Runner.objects.update(paused_at=None)
    with transaction.atomic():
        made = pool._round_if_free()
        assert made
        assert len(made.claims) == 1
        result(begin(lambda: a_pipeline(urgent, {"s": ["b"]})))  # so that the next round would choose another job
        nudge = begin(pool.top_up)
        wait_until_blocked(nudge)
    assert result(nudge) == 0
    assert [each.name for each in Job.objects.filter(state="IN_PROGRESS")] == ["a"]


def test_of_many_nudges_one_waits_and_the_others_return_at_once() -> None:
    a_runner()
    a_pipeline(a_client(), {"s": ["a"]})
    with transaction.atomic():
        take_turn()
        nudges = [begin(pool.top_up) for _ in range(6)]
        eventually(lambda: sum(nudge.done() for nudge in nudges) == 5)
        assert [result(nudge) for nudge in nudges if nudge.done()] == [0] * 5
        (waiter,) = [nudge for nudge in nudges if not nudge.done()]
        wait_until_blocked(waiter)
        assert not waiter.done()
    assert result(waiter) == 1


def test_nothing_is_sent_before_the_claim_is_committed(told: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    a_runner()
    a_pipeline(a_client(), {"s": ["a"]})

    def crash(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("between the claim and its commit")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr("runners.models.sweep.SweepManager.record", crash)
        pool.top_up()
    assert told.requests == []
    assert Job.objects.get().state == "READY"
    assert pool.top_up() == 1


def test_a_crash_between_the_commit_and_the_dispatch_loses_nothing(told: Recorder, settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = -1
    a_runner()
    a_pipeline(a_client(), {"s": ["a"]})
    with transaction.atomic():
        claiming.claim(now=clock.now())
    assert dispatch.resend(now=clock.now()) == 1
    assert told.started == [(Job.objects.get().pk, 1)]
