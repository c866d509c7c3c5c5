"""The claim: which READY jobs go to which runner now. The only bulk way into IN_PROGRESS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model

from clients import rows
from pipelines import moves
from pipelines.models import Job, Pipeline, Stage
from pipelines.states import State
from runners import proposing
from runners.models import Attempt, Runner
from runners.placement import Candidate, Placement


@dataclass(frozen=True)
class Claim:
    """A job handed out: attempt `attempt` of `job` goes to the runner."""

    job: int
    attempt: int
    runner: int


def claim(*, now: datetime) -> list[Claim]:
    """Move the READY jobs that may start now to IN_PROGRESS, each with a live attempt and a lease, in strict order.

    Runs in the caller's transaction, who holds the pool's turn (see pool.top_up): limits hold because nobody else
    claims. Takes the locks of the pipelines it starts and of the jobs it moves, skipping what another transaction
    holds, so it waits for nobody; what it skips is claimed in the next round.
    """
    placement = _empty_placement(now=now)
    while placement.slots > 0 and (candidates := proposing.propose(placement, now=now)):
        if not placement.place(candidates):
            break
    return _hand_out(placement.placed, now=now)


def is_full(*, now: datetime) -> bool:
    """Tell whether nothing could be claimed, whatever came: the pool is full, or no runner has a free slot."""
    return _empty_placement(now=now).slots <= 0


def _empty_placement(*, now: datetime) -> Placement:
    ((in_progress,),) = rows.ask("SELECT count(*) FROM pipelines_job WHERE state = 'IN_PROGRESS'", [])
    room = settings.QUEUE_SIZE - in_progress
    return Placement(Runner.objects.open(now).with_use() if room > 0 else (), room=room)


def _hand_out(placed: list[tuple[Candidate, Runner]], *, now: datetime) -> list[Claim]:
    if not placed:
        return []
    starting = {candidate.stage: candidate.pipeline for candidate, _ in placed if candidate.starts_stage}
    locked = _lock_free(Pipeline, set(starting.values())) if starting else set()
    able = [c.job for c, _ in placed if not c.starts_stage or c.pipeline in locked]
    # Only what is still there to be claimed.
    ready = _lock_free(Job, able, "state = 'READY' AND eligible_at <= %(now)s", now=now)
    # In claim order, so that attempts are numbered and sent in it.
    handed_out = [(c, r) for c, r in placed if c.job in ready]
    moves.move_jobs(
        [{"id": c.job, "attempt": c.attempt + 1, "runner_name": r.name} for c, r in handed_out],
        target=State.IN_PROGRESS,
        now=now,
    )
    Attempt.objects.begin(
        [{"job": c.job, "number": c.attempt + 1, "runner": r.pk, "runner_name": r.name} for c, r in handed_out],
        lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
        now=now,
    )
    stages = {c.stage for c, _ in handed_out if c.starts_stage}
    if stages:
        pipelines = {starting[stage] for stage in stages}
        for parents, ids in ((Stage, stages), (Pipeline, pipelines)):
            moves.move_parents(
                parents, ids=ids, source=[State.READY], target=State.IN_PROGRESS, now=now, started_at=now
            )
    return [Claim(job=c.job, attempt=c.attempt + 1, runner=r.pk) for c, r in handed_out]


def _lock_free(model: type[Model], ids: Iterable[int], where: str = "true", **values: Any) -> set[int]:
    """Lock those of the rows that nobody else holds, in id order, and return them."""
    statement = (
        f"SELECT id FROM {model._meta.db_table} WHERE id = ANY(%(ids)s) AND {where} "  # noqa: S608
        "ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
    )
    return {pk for (pk,) in rows.ask(statement, {"ids": list(ids), **values})}
