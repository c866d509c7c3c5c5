"""Pipelines, runners and clients as tests need them, made through the project's own operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from clients.models import Client
from clients.registration import create_client
from pipelines import clock, submitting
from pipelines.definition import Document, JobSpec
from pipelines.models import Job, Pipeline
from runners import leases, pool
from runners.models import Attempt, Runner, Sweep
from runners.registration import create_runner
from runners.reports import Reply, apply, read_item


def a_client(name: str = "alice", **limits: Any) -> Client:
    return create_client(name, **limits).client


def a_runner(name: str = "local", *, online: bool = True, **options: Any) -> Runner:
    runner = create_runner(name, **options).runner
    if online:
        see(runner)
    return runner


def see(runner: Runner) -> None:
    """Have the runner be online now."""
    Runner.objects.filter(pk=runner.pk).update(seen_at=clock.now())


def a_document(stages: Mapping[str, Iterable[str | dict[str, Any]]], **options: Any) -> Document:
    """Return the document of `{"build": ["compile", {"name": "lint", "retry_attempt": 1}]}`."""
    jobs = []
    for stage, members in stages.items():
        for member in members:
            fields = member if isinstance(member, dict) else {"name": member}
            jobs.append(
                JobSpec(
                    **{"kind": "Shell", "version": "1.0.0", "params": {"command": "true"}, "stage": stage, **fields}
                )
            )
    return Document(stages=tuple(stages), jobs=tuple(jobs), **{"labels": {}, **options})


def a_pipeline(client: Client, stages: Mapping[str, Iterable[str | dict[str, Any]]], **options: Any) -> Pipeline:
    with transaction.atomic():
        pipeline, _ = submitting.submit(client, document=a_document(stages, **options), now=clock.now())
    return pipeline


def job(pipeline: Pipeline, name: str) -> Job:
    return Job.objects.get(pipeline=pipeline, name=name)


def claim_all() -> list[Job]:
    """Top the pool up; return the jobs in progress, in the order in which they were claimed."""
    pool.top_up()
    live = Attempt.objects.live().order_by("claimed_at", "id").select_related("job")
    return [attempt.job for attempt in live]


def replies(
    subject: Job, *events: Mapping[str, Any], now: datetime | None = None, attempt: int = 0, runner: int | None = None
) -> list[Reply]:
    """Report the events of the job's latest attempt as its runner would, or as another; return what is answered."""
    subject.refresh_from_db()
    number = attempt or subject.attempt
    read = [read_item({"job": subject.pk, "attempt": number, **event}) for event in events]
    items = [item for item in read if not isinstance(item, dict)]
    runner = runner or Attempt.objects.get(job=subject, number=number).runner_id
    applied = iter(apply(items, allowed=None, runner=runner, now=now or clock.now()))
    return [item if isinstance(item, dict) else next(applied) for item in read]


def report(subject: Job, *events: Mapping[str, Any], now: datetime | None = None, attempt: int = 0) -> list[int]:
    """Report likewise; return the statuses."""
    return [reply["status"] for reply in replies(subject, *events, now=now, attempt=attempt)]


STARTED: dict[str, Any] = {"event": "started", "worker": "w1"}
SUCCEEDED: dict[str, Any] = {"event": "finished", "outcome": "succeeded", "exit_code": 0}
FAILED: dict[str, Any] = {"event": "finished", "outcome": "failed", "exit_code": 1, "reason": "exit_code"}
TIMED_OUT: dict[str, Any] = {"event": "finished", "outcome": "timed_out", "reason": "timeout"}
CANCELLED: dict[str, Any] = {"event": "finished", "outcome": "cancelled", "reason": "cancelled"}
RETURNED: dict[str, Any] = {"event": "returned", "reason": "runner_stopping"}


def run(subject: Job, *ends: Mapping[str, Any]) -> Job:
    """Start the job's latest attempt and end it so; return the job as it then stands."""
    assert report(subject, STARTED, *(ends or (SUCCEEDED,))) == [200] * (1 + len(ends or (SUCCEEDED,)))
    subject.refresh_from_db()
    return subject


def standing(pipeline: Pipeline) -> tuple[str, int, list[str]]:
    """Return the pipeline's state and warnings, and the states of its stages."""
    pipeline.refresh_from_db()
    stages = pipeline.stages.order_by("position").values_list("state", flat=True)
    return pipeline.state, pipeline.warnings, list(stages)


def states(pipeline: Pipeline) -> dict[str, str]:
    """Return the state of each of its jobs, the reason behind it where there is one."""
    jobs = pipeline.jobs.order_by("id").values_list("name", "state", "reason")
    return {name: f"{state} {reason}".strip() for name, state, reason in jobs}


def go_silent(subject: Job) -> None:
    """Have the lease of the job's live attempt be over, and take back what is."""
    Sweep.objects.update_or_create(pk=leases.EXPIRE, defaults={"succeeded_at": clock.now()})
    Attempt.objects.live().filter(job=subject).update(lease_until=clock.now() - timedelta(seconds=1))
    leases.expire(now=clock.now())
    subject.refresh_from_db()
