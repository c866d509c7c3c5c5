"""Leases, timeouts and back-off follow the database's clock: whatever a machine thinks the time is, it does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from pipelines import clock, sweeping
from runners import dispatch, leases, stops, tasks
from runners.models import Attempt, Runner, Sweep
from taskpipeline.celery import app
from taskpipeline.schedule import Scheduler
from tests.recorder import Recorder
from tests.scenes import FAILED, STARTED, a_client, a_pipeline, a_runner, claim_all, replies, report

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
# What a report may hold beside what it must: times of the runner's own, which nobody asked for.
ITS_TIMES = {"at": "2001-01-01T00:00:00Z", "started_at": 0, "finished_at": "9999-12-31", "timestamp": -1}


@pytest.fixture(params=[-HOUR, HOUR], ids=["behind", "ahead"])
def wrong_clock(request: pytest.FixtureRequest) -> Iterator[timedelta]:
    """Have this process's clock be an hour off while the database's is right."""
    with time_machine.travel(datetime.now(UTC) + request.param, tick=True):
        yield request.param


def true_time() -> datetime:
    """Return the database's time, asked for by no function of the service's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def is_now(moment: datetime | None) -> bool:
    return moment is not None and abs(true_time() - moment) < timedelta(minutes=5)


def rounds() -> None:
    """Run every round that decides by time."""
    tasks.expire()
    tasks.top_up()
    tasks.check_invariants()
    sweeping.sweep(now=clock.now())


@pytest.mark.usefixtures("wrong_clock")
def test_a_service_whose_machine_is_an_hour_off_takes_nothing_back(settings: Settings, told: Recorder) -> None:
    settings.RETRY_BACKOFF_SECONDS = 10
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": [{"name": "a", "timeout": 60, "retry_attempt": 1}]})
    (job,) = claim_all()
    assert report(job, {**STARTED, **ITS_TIMES}) == [200]
    Sweep.objects.record(leases.EXPIRE, now=clock.now())
    rounds()
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.stop_requested_at) == ("", None)
    assert all(is_now(moment) for moment in (attempt.claimed_at, attempt.started_at, Runner.objects.get().seen_at))
    assert timedelta(seconds=50) < attempt.lease_until - true_time() <= timedelta(seconds=60)
    assert attempt.deadline_at == attempt.started_at + timedelta(seconds=60)  # type: ignore[operator]
    assert dispatch.resend(now=clock.now()) == 0
    assert report(job, {**FAILED, **ITS_TIMES}) == [200]
    job.refresh_from_db()
    assert timedelta(0) < job.eligible_at - true_time() <= timedelta(seconds=15)  # type: ignore[operator]
    assert told.stopped == []
    pipeline.refresh_from_db()
    assert all(is_now(moment) for moment in (pipeline.created_at, pipeline.started_at))


@pytest.mark.usefixtures("wrong_clock")
def test_a_lease_and_a_timeout_end_when_the_database_says_so(told: Recorder) -> None:
    a_runner()
    a_pipeline(a_client(), {"build": [{"name": "a", "timeout": 60}, "b"]})
    a, b = claim_all()
    assert report(a, STARTED) + report(b, STARTED) == [200, 200]
    Sweep.objects.record(leases.EXPIRE, now=clock.now())
    live = Attempt.objects.live()
    live.filter(job=a).update(deadline_at=Now() - timedelta(seconds=60))
    live.filter(job=b).update(lease_until=Now() - timedelta(seconds=1))
    tasks.expire()
    assert told.stopped == [("local", (a.pk, 1))]
    assert Attempt.objects.get(job=b).outcome == "lost"


@pytest.mark.usefixtures("wrong_clock")
def test_a_stop_is_bounded_by_the_database_s_clock(settings: Settings) -> None:
    settings.STOP_GRACE_SECONDS = 10
    a_runner()
    a_pipeline(a_client(), {"build": [{"name": "a", "timeout": 60}]})
    (job,) = claim_all()
    assert report(job, STARTED) == [200]
    Attempt.objects.update(deadline_at=Now() - timedelta(seconds=60))
    stops.stop_attempts(now=clock.now())
    (reply,) = replies(job, {"event": "alive", **ITS_TIMES})
    assert (reply["status"], reply["cancel"]) == (200, True)
    assert 0 < reply["lease_seconds"] <= 10


@pytest.mark.django_db(transaction=True)
def test_beat_goes_on_after_one_whose_clock_was_ahead() -> None:
    scheduler = Scheduler(app=app, lazy=True)
    scheduler.update_from_dict(app.conf.beat_schedule)
    PeriodicTask.objects.update(last_run_at=datetime.now(UTC) + HOUR)
    entries = {name: scheduler.Entry(PeriodicTask.objects.get(name=name), app=app) for name in app.conf.beat_schedule}
    assert entries
    for name, entry in entries.items():
        interval = app.conf.beat_schedule[name]["schedule"].total_seconds()
        assert entry.is_due().next <= interval, name


@pytest.mark.django_db(transaction=True)
def test_a_tick_is_good_for_an_hour_on_whatever_clock() -> None:
    """Of one beat's clock and one worker's, which need not agree."""
    scheduler = Scheduler(app=app, lazy=True)
    scheduler.update_from_dict(app.conf.beat_schedule)
    ticks = PeriodicTask.objects.filter(name__in=app.conf.beat_schedule)
    assert ticks.count() == len(app.conf.beat_schedule)
    assert all(3600 <= (tick.expire_seconds or 0) <= 7200 for tick in ticks)
