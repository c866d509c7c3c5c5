"""Whether runners are there: pause, drain, and the signs of life of those that report."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from pipelines.nudges import nudge
from runners.executors import executor_for
from runners.models import Runner


def seen(runner: Runner, *, now: datetime) -> None:
    """Note that the runner reported; when it comes back from being offline the pool is topped up at once.

    Written only every so often: a busy runner reports many times a second.
    """
    resolution = timedelta(seconds=settings.RUNNER_OFFLINE_SECONDS / 6)
    if runner.seen_at is not None and runner.seen_at > now - resolution:
        return
    was_online = runner.seen_at is not None and runner.seen_at >= now - timedelta(
        seconds=settings.RUNNER_OFFLINE_SECONDS
    )
    Runner.objects.filter(pk=runner.pk).update(seen_at=now)
    if not was_online:
        nudge()


def pause(runner: Runner, *, note: str, now: datetime) -> None:
    """Give the runner no new jobs; what runs there goes on and its reports count."""
    Runner.objects.filter(pk=runner.pk).update(paused_at=now, pause_note=note)


def resume(runner: Runner) -> None:
    """Give the runner jobs again."""
    Runner.objects.filter(pk=runner.pk).update(paused_at=None, pause_note="", draining_since=None)
    nudge()


def drain(runner: Runner, *, note: str, now: datetime) -> None:
    """Pause the runner and have its process leave once it is idle."""
    Runner.objects.filter(pk=runner.pk).update(paused_at=now, pause_note=note, draining_since=now)
    executor_for(runner.type).drain(runner.name)
