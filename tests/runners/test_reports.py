"""Reports of one attempt: who may say what, when, and what comes of it (contract section 7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from pipelines import cancelling, clock
from pipelines.models import Job
from runners import stops
from runners.models import Attempt, StopReason
from runners.reports import apply, read_item
from tests.scenes import (
    CANCELLED,
    FAILED,
    RETURNED,
    STARTED,
    SUCCEEDED,
    TIMED_OUT,
    a_client,
    a_pipeline,
    a_runner,
    claim_all,
    go_silent,
    replies,
    report,
    run,
)

pytestmark = pytest.mark.django_db

ALIVE = {"event": "alive"}


@pytest.fixture(autouse=True)
def no_waiting(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0


@pytest.fixture
def a() -> Job:
    """Return a job just claimed, with one retry."""
    a_runner()
    a_pipeline(a_client(), {"s": [{"name": "a", "retry_attempt": 1, "timeout": 60}]})
    return claim_all()[0]


def attempt_of(subject: Job, *, number: int = 1) -> Attempt:
    return Attempt.objects.get(job=subject, number=number)


def started(worker: str = "w1") -> dict[str, str]:
    return {"event": "started", "worker": worker}


def cancel(subject: Job) -> None:
    cancelling.cancel_job(subject, now=clock.now())


def test_the_first_worker_owns_the_attempt(a: Job) -> None:
    (reply,) = replies(a, started("w1"))
    assert (reply["status"], reply["cancel"]) == (200, False)
    first = attempt_of(a)
    assert first.worker == "w1" and first.started_at is not None
    assert first.deadline_at == first.started_at + timedelta(seconds=60)
    a.refresh_from_db()
    assert a.started_at == first.started_at
    assert report(a, started("w1")) == [200]
    (refused,) = replies(a, started("w2"))
    assert (refused["status"], refused["cancel"]) == (409, True)
    again = attempt_of(a)
    assert (again.worker, again.started_at, again.deadline_at) == ("w1", first.started_at, first.deadline_at)


def test_nobody_begins_once_a_cancel_was_asked_or_a_stop_noted(a: Job) -> None:
    cancel(a)
    (reply,) = replies(a, started())
    assert (reply["status"], reply["cancel"]) == (409, True)
    assert attempt_of(a).started_at is None
    Job.objects.update(cancel_requested_at=None)
    Attempt.objects.update(stop_requested_at=clock.now(), stop_reason=StopReason.TIMEOUT)
    assert report(a, started()) == [409]


def test_nobody_begins_an_attempt_that_is_over(a: Job) -> None:
    run(a, FAILED)
    assert report(a, started(), attempt=1) == [409]
    assert claim_all()[0].attempt == 2
    assert report(a, started(), attempt=1) == [409]
    assert attempt_of(a, number=2).started_at is None


def test_another_runner_s_attempt_and_one_that_never_was_are_not_found(a: Job) -> None:
    other = a_runner("other")
    (reply,) = replies(a, started(), runner=other.pk)
    assert (reply["status"], reply["cancel"], reply["lease_seconds"]) == (404, True, 0)
    assert attempt_of(a).started_at is None
    unknown = read_item({"job": a.pk, "attempt": 2, **ALIVE})
    nowhere = read_item({"job": a.pk + 1, "attempt": 1, **ALIVE})
    assert not isinstance(unknown, dict) and not isinstance(nowhere, dict)
    runner = attempt_of(a).runner_id
    assert [r["status"] for r in apply([unknown, nowhere], allowed=None, runner=runner, now=clock.now())] == [404, 404]


def test_an_attempt_s_token_is_good_for_that_attempt_alone(a: Job) -> None:
    items = [read_item({"job": a.pk, "attempt": number, **ALIVE}) for number in (1, 2)]
    good = [item for item in items if not isinstance(item, dict)]
    answered = apply(good, allowed=[(a.pk, 1)], runner=None, now=clock.now())
    assert [reply["status"] for reply in answered] == [200, 404]
    assert apply(good[:1], allowed=[(a.pk, 2)], runner=None, now=clock.now())[0]["status"] == 404


@pytest.mark.parametrize(
    ("end", "outcome", "state"),
    [
        (SUCCEEDED, "succeeded", "DONE"),
        (FAILED, "failed", "READY"),
        (TIMED_OUT, "timed_out", "READY"),
        (CANCELLED, "failed", "READY"),  # nobody asked for it
        (RETURNED, "returned", "READY"),
    ],
)
def test_an_end_is_recorded_and_moves_the_job(a: Job, end: dict[str, Any], outcome: str, state: str) -> None:
    (_, reply) = replies(a, STARTED, {**end, "message": "said"})
    assert (reply["status"], reply["cancel"], reply["lease_seconds"]) == (200, False, 0)
    ended = attempt_of(a)
    assert (ended.outcome, ended.message, ended.reason) == (outcome, "said", end.get("reason", ""))
    assert ended.finished_at is not None
    a.refresh_from_db()
    assert (a.state, a.message) == (state, "said")
    assert a.failures == (1 if outcome in ("failed", "timed_out") else 0)


def test_finished_without_started_sets_both_times(a: Job) -> None:
    assert report(a, SUCCEEDED) == [200]
    ended = attempt_of(a)
    assert ended.started_at is not None and ended.started_at == ended.finished_at
    a.refresh_from_db()
    assert (a.state, a.started_at, a.finished_at) == ("DONE", ended.started_at, ended.finished_at)


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED, TIMED_OUT, CANCELLED, RETURNED])
def test_the_same_end_again_is_answered_alike_and_changes_nothing(a: Job, end: dict[str, Any]) -> None:
    report(a, STARTED, end)
    before = Attempt.objects.values().get(), Job.objects.values().get()
    for _ in range(2):
        (reply,) = replies(a, end, attempt=1)
        assert (reply["status"], reply["cancel"]) == (200, False)
    assert (Attempt.objects.values().get(), Job.objects.values().get()) == before


def test_the_same_end_again_is_answered_alike_though_a_cancel_was_asked_meanwhile(a: Job) -> None:
    run(a, CANCELLED)  # counted as failed
    (a,) = claim_all()
    assert a.attempt == 2
    cancel(a)
    assert report(a, CANCELLED, attempt=1) == [200]


def test_the_same_end_again_is_answered_alike_when_the_job_has_gone_on(a: Job) -> None:
    run(a, FAILED)
    claim_all()
    assert report(a, started("w2")) == [200]
    assert report(a, FAILED, attempt=1) == [200]
    a.refresh_from_db()
    assert (a.state, a.attempt, a.failures) == ("IN_PROGRESS", 2, 1)


@pytest.mark.parametrize(
    "late", [SUCCEEDED, {**FAILED, "exit_code": 2}, {**FAILED, "message": "other"}, RETURNED, ALIVE, started("w9")]
)
def test_any_other_report_of_an_attempt_that_is_over_changes_nothing_but_is_kept(a: Job, late: dict[str, Any]) -> None:
    run(a, FAILED)
    before, job_before = dict(Attempt.objects.values().get()), Job.objects.values().get()
    (reply,) = replies(a, late, attempt=1)
    assert (reply["status"], reply["cancel"], reply["lease_seconds"]) == (409, True, 0)
    after: dict[str, Any] = dict(Attempt.objects.values().get())
    (kept,) = after.pop("evidence")["late_reports"]
    assert kept["event"] == late["event"]
    before.pop("evidence")
    assert (after, Job.objects.values().get()) == (before, job_before)


def test_of_late_reports_twenty_are_kept(a: Job) -> None:
    run(a, FAILED)
    assert report(a, *[{"event": "progress", "progress": n} for n in range(30)], attempt=1) == [409] * 30
    kept = attempt_of(a).evidence["late_reports"]
    assert [each["progress"] for each in kept] == list(range(20))


def test_a_late_success_of_a_lost_attempt_is_not_believed(a: Job) -> None:
    assert report(a, STARTED) == [200]
    go_silent(a)
    assert claim_all()[0].attempt == 2
    assert report(a, SUCCEEDED, attempt=1) == [409]
    a.refresh_from_db()
    assert (a.state, a.attempt) == ("IN_PROGRESS", 2)
    assert attempt_of(a).outcome == "lost"


@pytest.mark.parametrize(
    ("end", "outcome"), [(CANCELLED, "cancelled"), (FAILED, "failed"), (TIMED_OUT, "timed_out"), (RETURNED, "returned")]
)
@pytest.mark.parametrize("told", [False, True])
def test_after_a_cancel_any_end_but_success_cancels_the_job_and_the_attempt_keeps_its_outcome(
    a: Job, end: dict[str, Any], outcome: str, told: bool
) -> None:
    assert report(a, STARTED) == [200]
    cancel(a)
    if told:
        stops.stop_attempts(now=clock.now())
    assert report(a, end) == [200]
    assert attempt_of(a).outcome == outcome
    a.refresh_from_db()
    assert (a.state, a.failures) == ("CANCELLED", 0)


def test_success_after_a_cancel_is_done(a: Job) -> None:
    assert report(a, STARTED) == [200]
    cancel(a)
    stops.stop_attempts(now=clock.now())
    assert run_end(a, SUCCEEDED).state == "DONE"


def run_end(subject: Job, end: dict[str, Any]) -> Job:
    assert report(subject, end) == [200]
    subject.refresh_from_db()
    return subject


@pytest.mark.parametrize(
    ("end", "outcome", "state"),
    [(CANCELLED, "timed_out", "READY"), (TIMED_OUT, "timed_out", "READY"), (SUCCEEDED, "succeeded", "DONE")],
)
def test_cancelled_after_a_stop_for_its_timeout_is_timed_out(
    a: Job, end: dict[str, Any], outcome: str, state: str
) -> None:
    assert report(a, STARTED) == [200]
    stops.stop_attempts(now=clock.now() + timedelta(seconds=61))
    assert run_end(a, end).state == state
    assert attempt_of(a).outcome == outcome


def test_progress_and_message_are_shown_while_it_runs(a: Job) -> None:
    assert report(a, STARTED, {"event": "progress", "progress": 40, "message": "half way"}) == [200, 200]
    a.refresh_from_db()
    assert (a.progress, a.message) == (40, "half way")
    assert report(a, {"event": "progress", "progress": 50}, {"event": "progress", "message": "on"}) == [200, 200]
    a.refresh_from_db()
    assert (a.progress, a.message) == (50, "on")
    assert run_end(a, SUCCEEDED).progress == 100
    assert a.message == "on"


def test_items_of_one_attempt_apply_in_list_order(a: Job) -> None:
    statuses = report(a, FAILED, STARTED, {"event": "progress", "progress": 9}, FAILED, SUCCEEDED)
    assert statuses == [200, 409, 409, 200, 409]
    assert attempt_of(a).outcome == "failed"
