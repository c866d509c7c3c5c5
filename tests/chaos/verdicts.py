"""Whether every pipeline ended as its jobs did, and every job as its attempts did (contract section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.ledger import Ran
from tests.e2e.stack import Stack
from tests.lifecycle.settling import verdict

LOSS_LIMIT = 3
_UNSTARTED_LIMIT = 10
_JOBS = """
SELECT job.id, job.pipeline_id, job.stage_id, job.state, job.reason, job.allow_failure, job.retry_attempt,
       job.cancel_requested_at IS NOT NULL, pipeline.cancel_requested_at IS NOT NULL, pipeline.stopped_at IS NOT NULL,
       COALESCE(array_agg(attempt.outcome ORDER BY attempt.number) FILTER (WHERE attempt.id IS NOT NULL), '{}'),
       COALESCE(array_agg(attempt.reason ORDER BY attempt.number) FILTER (WHERE attempt.id IS NOT NULL), '{}')
FROM pipelines_job job JOIN pipelines_pipeline pipeline ON pipeline.id = job.pipeline_id
LEFT JOIN runners_attempt attempt ON attempt.job_id = job.id GROUP BY job.id, pipeline.id ORDER BY job.id
"""
_ATTEMPTS = """
SELECT job_id, number, outcome, started_at IS NOT NULL, extract(epoch FROM finished_at)::float FROM runners_attempt
"""


@dataclass(frozen=True)
class Job:
    """A job as it stands at the end, with the outcomes and reasons of its attempts in order."""

    id: int
    pipeline: int
    stage: int
    state: str
    reason: str
    allow_failure: bool
    retry_attempt: int
    cancel_requested: bool
    pipeline_cancelled: bool
    pipeline_stopped: bool
    outcomes: list[str]
    reasons: list[str]


def findings(stack: Stack) -> list[str]:
    """Return what did not end, or not as it had to."""
    jobs = [Job(*row) for row in stack.query(_JOBS)]
    found = [
        f"job {job.id} is {job.state} {job.reason} after {job.outcomes}" for job in jobs if job.state not in _ends(job)
    ]
    for job in jobs:
        found += [f"job {job.id}: {before} was followed by {after}" for before, after in pairwise(job.outcomes)
                  if before in ("", "succeeded", "cancelled")]  # fmt: skip
    for table, owner in (("pipelines_pipeline", "pipeline"), ("pipelines_stage", "stage")):
        for pk, state, warnings in stack.query(f"SELECT id, state, warnings FROM {table}"):
            of_owner = [job for job in jobs if getattr(job, owner) == pk]
            if (state, warnings) != _expected(of_owner, undivided=state):
                states = [(job.state, job.reason, job.allow_failure) for job in of_owner]
                found.append(f"{owner} {pk} is {state} with {warnings} warnings, its jobs are {states}")
    return found


def attempts(stack: Stack) -> dict[tuple[int, int], Ran]:
    return {(job, number): Ran(*rest) for job, number, *rest in stack.query(_ATTEMPTS)}


def _expected(jobs: Iterable[Job], *, undivided: str) -> tuple[str, int]:
    jobs = list(jobs)
    if not jobs:  # cancelled before it was divided
        return ("CANCELLED" if undivided == "CANCELLED" else "jobs"), 0
    return verdict(jobs, pipeline_cancelled=any(job.pipeline_cancelled for job in jobs))


def _ends(job: Job) -> set[str]:
    """Return the states that its attempts allow the job to end in."""
    failures = sum(outcome in ("failed", "timed_out") for outcome in job.outcomes)
    latest = job.reasons[-_UNSTARTED_LIMIT:]
    if "succeeded" in job.outcomes:
        return {"DONE"}
    if job.cancel_requested:
        return {"CANCELLED"}
    if failures > job.retry_attempt or job.outcomes.count("lost") > LOSS_LIMIT:
        return {"ERROR"}
    if len(latest) == _UNSTARTED_LIMIT and set(latest) == {"never_started"}:
        return {"ERROR"}
    if job.pipeline_stopped and job.outcomes[-1:] in (["failed"], ["timed_out"]):
        return {"ERROR", "CANCELLED"}  # it failed after the stop, or waited for a retry when the stop came
    if job.pipeline_stopped or job.pipeline_cancelled or job.reason == "cancelled":
        return {"CANCELLED"}
    return set()
