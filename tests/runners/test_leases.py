"""Leases: renewed by reports, taken back when over, extended once after the service itself was away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from pipelines import cancelling, clock
from pipelines.models import Job
from runners import leases, stops
from runners.models import Attempt, Sweep
from tests.concurrency import begin, result, wait_until_blocked
from tests.scenes import (
    FAILED,
    STARTED,
    SUCCEEDED,
    a_client,
    a_pipeline,
    a_runner,
    claim_all,
    go_silent,
    replies,
    report,
    standing,
)

pytestmark = pytest.mark.django_db

ALIVE = {"event": "alive"}


@pytest.fixture(autouse=True)
def durations(settings: Settings) -> None:
    settings.LEASE_SECONDS, settings.STOP_GRACE_SECONDS, settings.RETRY_BACKOFF_SECONDS = 60, 10, 0


def make() -> Job:
    a_runner()
    a_pipeline(a_client(), {"s": [{"name": "a", "timeout": 100}]})
    return claim_all()[0]


@pytest.fixture
def a() -> Job:
    """Return a job just claimed, while expiry rounds run as they should."""
    Sweep.objects.record(leases.EXPIRE, now=clock.now())
    return make()


def attempt(number: int = 1) -> Attempt:
    return Attempt.objects.get(number=number)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def sweep_on(now: datetime, *, until: datetime, every: float = 5) -> int:
    """Run the expiry rounds from now on; return how many attempts they ended."""
    ended = 0
    while now <= until:
        ended += leases.expire(now=now)
        now += seconds(every)
    return ended


def test_every_report_renews_the_lease_and_tells_for_how_long(a: Job) -> None:
    now = attempt().claimed_at
    for event in (STARTED, {"event": "progress", "progress": 1}, {"event": "log", "offset": 0, "text": "x"}, ALIVE):
        now += seconds(30)
        (reply,) = replies(a, event, now=now)
        assert (reply["status"], reply["lease_seconds"], reply["cancel"]) == (200, 60, False)
        assert attempt().lease_until == now + seconds(60)


@pytest.mark.parametrize("event", [{"event": "log", "offset": 9, "text": "x"}, {"event": "started", "worker": "w2"}])
def test_a_report_that_is_refused_renews_nothing(a: Job, event: dict[str, Any]) -> None:
    assert report(a, STARTED) == [200]
    before = attempt().lease_until
    (reply,) = replies(a, event, now=before - seconds(10))
    assert (reply["status"] in (409, 416), reply["lease_seconds"]) == (True, 10)
    assert attempt().lease_until == before


def test_a_lease_that_is_over_is_lost_and_one_that_is_not_is_left(a: Job) -> None:
    assert report(a, STARTED) == [200]
    until = attempt().lease_until
    assert sweep_on(clock.now(), until=until) == 0
    assert sweep_on(until, until=until + seconds(5)) == 1
    ended = attempt()
    assert (ended.outcome, ended.reason, ended.finished_at) == ("lost", "lease_over", until + seconds(5))
    assert "local went silent" in ended.message
    a.refresh_from_db()
    assert (a.state, a.losses, a.failures, a.eligible_at) == ("READY", 1, 0, until + seconds(5))


def test_losses_end_the_job_past_their_limit(a: Job, settings: Settings) -> None:
    settings.LOSS_LIMIT = 2
    for _ in range(3):
        assert report(claim_all()[0], STARTED) == [200]
        go_silent(a)
    assert (a.state, a.reason, a.losses, a.attempt) == ("ERROR", "runner_lost", 3, 3)
    assert standing(a.pipeline) == ("ERROR", 0, ["ERROR"])


def test_what_never_started_is_returned_and_after_ten_in_a_row_an_error(a: Job) -> None:
    for number in range(1, 11):
        assert [each.attempt for each in claim_all()] == [number]
        go_silent(a)
        assert (attempt(number).outcome, attempt(number).reason) == ("returned", "never_started")
        assert (a.unstarted, a.losses, a.failures) == (number, 0, 0)
    assert (a.state, a.reason) == ("ERROR", "never_started")


@pytest.mark.parametrize("start", [[STARTED], []])
def test_an_attempt_that_started_begins_the_count_of_ten_anew(a: Job, start: list[dict[str, Any]]) -> None:
    Job.objects.update(retry_attempt=1)
    for _ in range(9):
        claim_all()
        go_silent(a)
    claim_all()
    assert set(report(a, *start, FAILED)) == {200}
    claim_all()
    go_silent(a)
    assert (a.state, a.unstarted) == ("READY", 1)


def test_a_timed_out_attempt_that_is_never_confirmed_is_timed_out_when_its_lease_is_over(a: Job) -> None:
    assert report(a, STARTED) == [200]
    started = attempt().started_at
    assert started is not None
    stops.stop_attempts(now=started + seconds(101))
    go_silent(a)
    assert (attempt().outcome, attempt().reason) == ("timed_out", "timeout")
    assert (a.state, a.failures, a.losses) == ("ERROR", 1, 0)


def test_a_cancelled_attempt_whose_runner_is_gone_ends_with_its_lease(a: Job) -> None:
    assert report(a, STARTED) == [200]
    cancelling.cancel_job(a, now=clock.now())
    stops.stop_attempts(now=clock.now())
    a.refresh_from_db()
    assert a.state == "IN_PROGRESS"
    go_silent(a)
    assert (attempt().outcome, a.state, a.reason, a.losses) == ("lost", "CANCELLED", "cancelled", 0)


def test_once_a_stop_was_asked_no_report_extends_the_lease(a: Job) -> None:
    assert report(a, STARTED) == [200]
    asked = clock.now()
    cancelling.cancel_job(a, now=asked)
    stops.stop_attempts(now=asked)
    (reply,) = replies(a, ALIVE, now=asked + seconds(3))
    assert (reply["status"], reply["cancel"], reply["lease_seconds"]) == (200, True, 10)
    for later, left in ((8, 5), (12.5, 0.5), (20, 0)):
        (reply,) = replies(a, {"event": "progress", "progress": 1}, now=asked + seconds(later))
        assert (reply["status"], reply["cancel"], reply["lease_seconds"]) == (200, True, left)
        assert attempt().lease_until == asked + seconds(13)


def test_a_stop_never_lengthens_what_is_left_of_the_lease(a: Job) -> None:
    assert report(a, STARTED) == [200]
    until = attempt().lease_until
    cancelling.cancel_job(a, now=until - seconds(4))
    stops.stop_attempts(now=until - seconds(4))
    assert replies(a, ALIVE, now=until - seconds(3))[0]["lease_seconds"] == 3
    assert attempt().lease_until == until


def test_the_first_round_after_the_service_was_away_extends_every_lease_once(a: Job) -> None:
    assert report(a, STARTED) == [200]
    back = attempt().lease_until + seconds(600)
    assert leases.expire(now=back) == 0
    assert attempt().lease_until == back + seconds(60)
    assert sweep_on(back + seconds(5), until=back + seconds(60)) == 0
    assert attempt().lease_until == back + seconds(60)
    assert sweep_on(back + seconds(65), until=back + seconds(65)) == 1


def test_the_very_first_round_extends_too_and_a_longer_lease_is_not_cut() -> None:
    make()
    now = clock.now()
    Attempt.objects.update(lease_until=now + seconds(500))
    assert leases.expire(now=now) == 0
    assert attempt().lease_until == now + seconds(500)
    Attempt.objects.update(lease_until=now - seconds(500))
    Sweep.objects.all().delete()
    assert leases.expire(now=now) == 0
    assert attempt().lease_until == now + seconds(60)


@pytest.mark.parametrize("away", [5, 9.9])
def test_a_round_that_was_a_little_late_extends_nothing(a: Job, away: float) -> None:
    assert report(a, STARTED) == [200]
    until = attempt().lease_until
    Sweep.objects.filter(pk=leases.EXPIRE).update(succeeded_at=until + seconds(1))
    assert leases.expire(now=until + seconds(1 + away)) == 1


@pytest.mark.parametrize("lease", [1, 2, 3, 4, 60])
def test_short_leases_end_too(settings: Settings, lease: float) -> None:
    """Rounds that run about as often as they should never pass for a service that was away."""
    settings.LEASE_SECONDS = lease
    every = leases.interval().total_seconds() * 1.05
    start = clock.now()
    leases.expire(now=start)
    a = make()
    assert report(a, STARTED) == [200]
    until = attempt().lease_until
    assert sweep_on(start + seconds(every), until=until, every=every) == 0
    assert sweep_on(until + seconds(0.01), until=until + seconds(0.02 + every), every=every) == 1


def test_many_expire_in_one_round(a: Job, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(leases, "_BATCH", 3)
    a_pipeline(a_client("bob"), {"s": [f"job {n}" for n in range(7)]})
    assert len(claim_all()) == 8
    Attempt.objects.update(lease_until=clock.now() - seconds(1))
    assert leases.expire(now=clock.now()) == 8
    assert not Attempt.objects.live().exists()


@pytest.mark.django_db(transaction=True)
def test_a_report_that_comes_while_the_lease_is_taken_back_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.nudges.send", lambda *args, **kwargs: True)
    a = make()
    assert report(a, STARTED) == [200]
    now = attempt().lease_until + seconds(1)
    Sweep.objects.update_or_create(pk=leases.EXPIRE, defaults={"succeeded_at": now})
    with transaction.atomic():
        assert leases.expire(now=now) == 1
        late = begin(lambda: report(a, SUCCEEDED))
        wait_until_blocked(late)
    assert result(late) == [409]
    a.refresh_from_db()
    assert (attempt().outcome, a.state) == ("lost", "READY")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("event", [ALIVE, SUCCEEDED])
def test_a_lease_renewed_while_it_is_about_to_be_taken_back_holds(
    monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    monkeypatch.setattr("pipelines.nudges.send", lambda *args, **kwargs: True)
    a = make()
    assert report(a, STARTED) == [200]
    now = attempt().lease_until + seconds(1)
    Sweep.objects.update_or_create(pk=leases.EXPIRE, defaults={"succeeded_at": now})
    with transaction.atomic():
        assert report(a, event, now=now) == [200]
        expiry = begin(lambda: leases.expire(now=now))
        wait_until_blocked(expiry)
    assert result(expiry) == 0
    assert attempt().outcome == ("succeeded" if event is SUCCEEDED else "")
