"""Where everything stands, by the rows and by the model, in the same words."""

from __future__ import annotations

from typing import Any

from pipelines.models import Event, Job, Pipeline, Stage
from runners.models import Attempt
from tests.lifecycle.model import Service
from tests.lifecycle.rows import UNFINISHED

Standing = dict[str, list[tuple[Any, ...]]]


def by_rows() -> Standing:
    """Return what the database says."""
    return {
        "pipelines": [
            (*values, stopped_at is not None, cancel_requested_at is not None)
            for *values, stopped_at, cancel_requested_at in Pipeline.objects.order_by("id").values_list(
                "id", "state", "priority", "divided", "warnings", "declared_jobs", "ended_jobs", "stopped_at",
                "cancel_requested_at",
            )
        ],
        "stages": list(Stage.objects.order_by("id").values_list("id", "state", "opened_at", "warnings")),
        "jobs": [
            (pk, state, pipeline_priority if state in UNFINISHED else 0, *values, cancel_requested_at is not None)
            for pk, state, pipeline_priority, *values, cancel_requested_at in Job.objects.order_by("id").values_list(
                "id", "state", "pipeline_priority", "reason", "priority", "allow_failure", "retry_attempt", "timeout",
                "attempt", "failures", "losses", "unstarted", "progress", "runner_name", "eligible_at",
                "cancel_requested_at",
            )
        ],
        "attempts": [
            (*values, started_at is not None)
            for *values, started_at in Attempt.objects.order_by("id").values_list(
                "job", "number", "runner", "worker", "outcome", "reason", "lease_until", "deadline_at", "stop_reason",
                "stop_by", "started_at",
            )
        ],
    }  # fmt: skip


def by_model(model: Service) -> Standing:
    """Return what the model says."""
    pipelines = model.pipelines.values()
    return {
        "pipelines": [
            (
                p.id, p.state, p.priority, p.divided, p.warnings, len(p.jobs) if p.divided else p.declared_jobs,
                sum(not j.is_unfinished for j in p.jobs), p.stopped, p.cancel_requested,
            )
            for p in pipelines
        ],
        "stages": sorted((s.id, s.state, s.opened_at, s.warnings) for p in pipelines for s in p.stages),
        "jobs": sorted(
            (
                (
                    j.id, j.state, j.rank, j.reason, j.priority, j.allow_failure, j.retry_attempt,
                    j.timeout, j.attempt, j.failures, j.losses, j.unstarted, j.progress, j.runner, j.eligible_at,
                    j.cancel_requested,
                )
                for j in model.jobs
            ),
            key=lambda row: row[0],
        ),
        "attempts": [
            (
                a.job.id, a.number, a.runner, a.worker, a.outcome, a.reason, a.lease_until, a.deadline_at,
                a.stop_reason, a.stop_by, a.started,
            )
            for a in model.attempts.all
        ],
    }  # fmt: skip


def differences(rows: Standing, model: Standing) -> list[str]:
    """Return what the two do not agree about."""
    return [
        f"{table}: {whose} {row}"
        for table in rows
        for whose, own, other in (("row", rows, model), ("model", model, rows))
        for row in own[table]
        if row not in other[table]
    ] or [table for table in rows if rows[table] != model[table]]


def take_back_offs(model: Service) -> None:
    """Let the model know when exactly its jobs may start again, if the rows keep to the bounds of their jitter."""
    if waiting := [job for job in model.jobs if job.back_off is not None]:
        told = dict(Job.objects.filter(pk__in=[job.id for job in waiting]).values_list("id", "eligible_at"))
        for job in waiting:
            eligible_at = told[job.id]
            assert job.back_off is not None and eligible_at is not None
            assert job.back_off[0] <= eligible_at <= job.back_off[1]
            job.eligible_at, job.back_off = eligible_at, None


def histories() -> dict[tuple[str, int], list[str]]:
    """Return the states that every pipeline, stage and job came through, by the events."""
    found: dict[tuple[str, int], list[str]] = {}
    rows = Event.objects.order_by("id").values_list("subject", "pipeline", "stage_id", "job_id", "to_state")
    for subject, pipeline, stage, job, state in rows:
        found.setdefault((subject, job or stage or pipeline), []).append(state)
    return found


def divided(pipeline: int) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """Return the stages just made, by id and name in order, with what the model needs of their jobs."""
    stages = Stage.objects.filter(pipeline=pipeline).order_by("position")
    return {
        (stage.pk, stage.name): [fields(job) for job in Job.objects.filter(stage=stage).order_by("id")]
        for stage in stages
    }


def fields(job: Job) -> dict[str, Any]:
    """Return what the model needs of a job just made."""
    names = ("id", "name", "kind", "priority", "retry_attempt", "allow_failure", "timeout")
    return {name: getattr(job, name) for name in names}
