"""Celery's way in: each task calls one operation."""

from __future__ import annotations

from celery import shared_task

from pipelines import clock
from runners import dispatch, doctor, leases, pool, stops
from runners.kubernetes import following


@shared_task(name="runners.top_up")
def top_up() -> None:
    pool.top_up()


@shared_task(name="runners.stop_attempts")
def stop_attempts() -> None:
    stops.stop_attempts(now=clock.now())


@shared_task(name="runners.expire")
def expire() -> None:
    now = clock.now()
    stops.stop_attempts(now=now)
    leases.expire(now=now)
    dispatch.resend(now=now)


@shared_task(name="runners.follow")
def follow(runner: str) -> None:
    following.follow(runner)


@shared_task(name="runners.follow_clusters")
def follow_clusters() -> None:
    following.follow_due(now=clock.now())


@shared_task(name="runners.doctor")
def check_invariants() -> None:
    doctor.log_violations(now=clock.now())
