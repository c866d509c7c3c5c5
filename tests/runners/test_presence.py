from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from pipelines import clock
from runners import presence
from runners.models import Runner
from tests.recorder import Recorder
from tests.scenes import a_runner

pytestmark = pytest.mark.django_db


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[str]:
    settings.RUNNER_OFFLINE_SECONDS = 30
    sent: list[str] = []
    monkeypatch.setattr(presence, "nudge", lambda: sent.append("top_up"))
    return sent


def is_online(now: datetime) -> bool:
    annotated: Any = Runner.objects.with_online(now).get()
    return bool(annotated.is_online)


def test_a_runner_that_comes_back_has_the_pool_topped_up(nudges: list[str]) -> None:
    runner = a_runner(online=False)
    now = clock.now()
    presence.seen(runner, now=now)
    runner.refresh_from_db()
    assert (runner.seen_at, nudges) == (now, ["top_up"])
    presence.seen(runner, now=now + timedelta(seconds=29))
    runner.refresh_from_db()
    presence.seen(runner, now=now + timedelta(seconds=58))
    assert nudges == ["top_up"]
    runner.refresh_from_db()
    presence.seen(runner, now=now + timedelta(seconds=89))
    assert nudges == ["top_up"] * 2


def test_a_busy_runner_is_not_written_with_every_report(nudges: list[str]) -> None:
    runner = a_runner(online=False)
    now = clock.now()
    presence.seen(runner, now=now)
    runner.refresh_from_db()
    presence.seen(runner, now=now + timedelta(seconds=4))
    runner.refresh_from_db()
    assert runner.seen_at == now
    assert is_online(now + timedelta(seconds=30))
    assert not is_online(now + timedelta(seconds=31))


def test_a_drained_runner_is_paused_and_told_and_resuming_ends_both(told: Recorder) -> None:
    runner = a_runner()
    presence.drain(runner, note="new disk", now=clock.now())
    runner.refresh_from_db()
    assert (runner.pause_note, told.drained) == ("new disk", ["local"])
    assert runner.paused_at is not None and runner.draining_since is not None
    assert not Runner.objects.open(clock.now()).exists()
    presence.resume(runner)
    assert Runner.objects.filter(paused_at=None, pause_note="", draining_since=None).exists()
