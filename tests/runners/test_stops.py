"""Stops of what was cancelled or ran past its timeout by our clock; and requests sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock
from pipelines.models import Event, Job
from runners import dispatch, stops
from runners.models import Attempt, Runner
from tests.concurrency import begin, held_elsewhere, result, wait_until_blocked
from tests.recorder import Recorder
from tests.scenes import (
    STARTED,
    SUCCEEDED,
    a_client,
    a_pipeline,
    a_runner,
    claim_all,
    go_silent,
    replies,
    report,
    run,
    standing,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    a_runner()
    return a_client()


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def cancel(subject: Job) -> None:
    cancelling.cancel_job(subject, now=clock.now())


def test_a_cancelled_attempt_that_runs_is_marked_and_its_runner_told_once(client: Client, told: Recorder) -> None:
    a_pipeline(client, {"s": ["a", "b"]})
    a, b = claim_all()
    assert report(a, STARTED) == report(b, STARTED) == [200]
    cancel(a)
    assert stops.stop_attempts(now=clock.now()) == 1
    assert stops.stop_attempts(now=clock.now()) == 0
    assert told.stopped == [("local", (a.pk, 1))]
    attempt = Attempt.objects.get(job=a)
    assert (attempt.stop_reason, attempt.outcome) == ("cancel", "")
    assert [replies(each, {"event": "alive"})[0]["cancel"] for each in (a, b)] == [True, False]


def test_an_unstarted_attempt_that_was_cancelled_is_over_at_once(client: Client, told: Recorder) -> None:
    pipeline = a_pipeline(client, {"s": ["a"]})
    (a,) = claim_all()
    cancel(a)
    assert stops.stop_attempts(now=clock.now()) == 1
    a.refresh_from_db()
    attempt = Attempt.objects.get()
    assert (a.state, a.reason) == ("CANCELLED", "cancelled")
    assert (attempt.outcome, attempt.started_at) == ("cancelled", None)
    assert standing(pipeline)[0] == "CANCELLED"
    # Along the design's edges: there is none from IN_PROGRESS to CANCELLED.
    events = Event.objects.filter(job_id=a.pk).order_by("id").values_list("to_state", flat=True)
    assert list(events) == ["READY", "IN_PROGRESS", "READY", "CANCELLED"]
    assert told.stopped == []
    assert report(a, STARTED) == [409]


def test_the_stop_of_an_attempt_leaves_those_before_it_alone(client: Client, settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_pipeline(client, {"s": ["a"]})
    go_silent(claim_all()[0])
    before = Attempt.objects.values().get()
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    cancel(a)
    stops.stop_attempts(now=clock.now())
    assert Attempt.objects.filter(number=1).values().get() == before
    a.refresh_from_db()
    assert (a.state, a.attempt) == ("IN_PROGRESS", 2)


def test_a_cancelled_pipeline_s_attempts_are_stopped_as_a_set(client: Client, told: Recorder) -> None:
    pipeline = a_pipeline(client, {"s": ["a", "b", "c"]})
    a, b, c = claim_all()
    assert report(a, STARTED) == report(b, STARTED) == [200]
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    assert stops.stop_attempts(now=clock.now()) == 3
    c.refresh_from_db()
    assert (c.state, c.reason) == ("CANCELLED", "pipeline_cancelled")
    assert told.stopped == [("local", (a.pk, 1)), ("local", (b.pk, 1))]


def test_what_runs_past_its_timeout_by_our_clock_is_stopped(client: Client, told: Recorder) -> None:
    a_pipeline(client, {"s": [{"name": "a", "timeout": 30}, "b"]})
    a, b = claim_all()
    assert report(b, STARTED) == [200]
    # The timeout counts from the start, however long it waited for it.
    start = clock.now() + seconds(20)
    assert report(a, STARTED, now=start) == [200]
    assert stops.stop_attempts(now=start + seconds(29)) == 0
    assert stops.stop_attempts(now=start + seconds(31)) == 1
    assert told.stopped == [("local", (a.pk, 1))]
    assert Attempt.objects.get(job=a).stop_reason == "timeout"


def test_a_timeout_of_an_earlier_attempt_is_nothing_to_the_next(client: Client, settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_pipeline(client, {"s": [{"name": "a", "timeout": 30, "retry_attempt": 1}]})
    run(claim_all()[0], {"event": "finished", "outcome": "timed_out"})
    claim_all()
    assert stops.stop_attempts(now=clock.now() + seconds(100)) == 0


def test_a_cancel_that_follows_a_timeout_ends_the_job_cancelled(client: Client) -> None:
    a_pipeline(client, {"s": [{"name": "a", "timeout": 30}]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    stops.stop_attempts(now=clock.now() + seconds(31))
    cancel(a)
    assert stops.stop_attempts(now=clock.now()) == 0
    assert report(a, {"event": "finished", "outcome": "cancelled"}) == [200]
    a.refresh_from_db()
    assert (a.state, Attempt.objects.get().stop_reason) == ("CANCELLED", "timeout")


def test_the_stop_of_a_runner_that_was_deleted_is_told_nobody(client: Client, told: Recorder) -> None:
    a_pipeline(client, {"s": ["a"]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    Attempt.objects.update(runner=None)
    cancel(a)
    assert stops.stop_attempts(now=clock.now()) == 1
    assert told.stopped == []


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_ends_while_it_is_about_to_be_stopped_has_ended(
    monkeypatch: pytest.MonkeyPatch, told: Recorder
) -> None:
    monkeypatch.setattr("pipelines.nudges.send", lambda *args, **kwargs: True)
    a_runner()
    a_pipeline(a_client(), {"s": ["a"]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    cancel(a)
    with transaction.atomic():
        assert report(a, SUCCEEDED) == [200]
        stop = begin(lambda: stops.stop_attempts(now=clock.now()))
        wait_until_blocked(stop)
    result(stop)
    assert told.stopped == []
    assert (Attempt.objects.get().outcome, Job.objects.get().state) == ("succeeded", "DONE")


def test_a_request_that_did_not_start_within_a_heartbeat_is_sent_again_under_the_same_attempt(
    client: Client, told: Recorder, settings: Settings
) -> None:
    settings.HEARTBEAT_SECONDS, settings.LEASE_SECONDS = 10, 60
    a_pipeline(client, {"s": ["a", "b"]})
    a, b = claim_all()
    assert report(b, STARTED) == [200]
    claimed = Attempt.objects.get(job=a).claimed_at
    first = told.requests[0]
    told.requests.clear()
    assert dispatch.resend(now=claimed + seconds(9.9)) == 0
    assert dispatch.resend(now=claimed + seconds(10.1)) == 1
    assert told.requests == [first]
    assert dispatch.resend(now=claimed + seconds(20)) == 0
    assert dispatch.resend(now=claimed + seconds(20.2)) == 1
    assert Attempt.objects.filter(job=a).count() == 1


def test_what_is_over_or_stopped_or_has_no_lease_or_runner_left_is_not_sent_again(
    client: Client, told: Recorder, settings: Settings
) -> None:
    settings.HEARTBEAT_SECONDS, settings.LEASE_SECONDS = 10, 60
    a_pipeline(client, {"s": ["over", "stopped", "gone"]})
    over, stopped, gone = claim_all()
    claimed = Attempt.objects.get(job=over).claimed_at
    told.requests.clear()
    run(over)
    Attempt.objects.filter(job=stopped).update(stop_requested_at=claimed)
    Attempt.objects.filter(job=gone).update(runner=None)
    assert dispatch.resend(now=claimed + seconds(11)) == 0
    Attempt.objects.update(stop_requested_at=None, runner=Runner.objects.get())
    assert dispatch.resend(now=claimed + seconds(61)) == 0
    assert told.requests == []


@pytest.mark.django_db(transaction=True)
def test_sending_again_waits_for_a_report_of_the_same_job(told: Recorder, settings: Settings) -> None:
    """Attempts are written under their jobs' locks alone, so that two batches cannot deadlock."""
    settings.HEARTBEAT_SECONDS = -1
    a_runner()
    a_pipeline(a_client(), {"s": ["a", "b"]})
    a, b = claim_all()
    told.requests.clear()
    with transaction.atomic():
        assert report(a, STARTED) == [200]
        resend = begin(lambda: dispatch.resend(now=clock.now()))
        wait_until_blocked(resend)
        assert not resend.done()
    assert result(resend) == 1
    assert told.started == [(b.pk, 1)]


@pytest.mark.django_db(transaction=True)
def test_what_another_transaction_holds_of_another_job_holds_no_stop_up(told: Recorder) -> None:
    a_runner()
    client = a_client()
    a_pipeline(client, {"s": ["a"]})
    a_pipeline(client, {"s": ["b"]})
    a, b = claim_all()
    assert report(a, STARTED) == [200]
    cancel(a)
    with held_elsewhere(lambda: Job.objects.lock([b.pk])):
        assert stops.stop_attempts(now=clock.now()) == 1
    assert told.stopped == [("local", (a.pk, 1))]
