"""The claim: which READY jobs go to which runner now. The only bulk way into IN_PROGRESS."""

from __future__ import annotations

import json
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
from runners.models import Attempt, Runner
from runners.placement import Candidate, Placement

# Proposes candidates in claim order, as many per client and kind as have room: limits apply before the cut, so a
# client at its limit, or a kind whose runners are full, holds nobody else back. Raw SQL: the ORM knows neither the
# loose index scan over (client, kind), which reads one index entry a pair however long the backlog, nor LATERAL.
#
# That entry is the pair's first job, its head. The first `room` jobs of all are in the pairs of the first `room` heads,
# and the n-th of these has n - 1 jobs of others before its own: nobody looks deeper. A pair whose head may not be taken
# (it waits for its retry, or is placed already) has no such rank and is looked into all the same.
PROPOSE = """
WITH RECURSIVE head AS (
    (SELECT client_id, kind, pipeline_priority, stage_position, priority, id, eligible_at FROM pipelines_job
     WHERE state = 'READY' AND eligible_at IS NOT NULL
     ORDER BY client_id, kind, pipeline_priority, stage_position, priority, id LIMIT 1)
    UNION ALL
    SELECT following.* FROM head CROSS JOIN LATERAL (
        SELECT client_id, kind, pipeline_priority, stage_position, priority, id, eligible_at FROM pipelines_job
        WHERE state = 'READY' AND eligible_at IS NOT NULL AND (client_id, kind) > (head.client_id, head.kind)
        ORDER BY client_id, kind, pipeline_priority, stage_position, priority, id LIMIT 1
    ) AS following
), usage AS (
    SELECT client_id, count(*) AS jobs FROM pipelines_job WHERE state = 'IN_PROGRESS' GROUP BY client_id
), room AS (
    SELECT * FROM jsonb_to_recordset(%(rooms)s::jsonb) AS room (runner bigint, kind text, free integer)
), exhausted AS (
    SELECT * FROM jsonb_to_recordset(%(exhausted)s::jsonb) AS exhausted (client_id bigint, kind text)
), chosen AS (
    SELECT client_id, array_agg(runner_id) AS runners FROM runners_runner_clients GROUP BY client_id
), pair AS (
    SELECT head.*, client.priority AS client_priority, chosen.runners,
        head.eligible_at <= %(now)s AND head.id <> ALL(%(placed)s) AS may_go,
        -- Never negative, and NULL where the client has no limit of its own.
        client.queue_size - LEAST(client.queue_size, COALESCE(usage.jobs, 0)) AS client_free,
        (SELECT sum(room.free) FROM room
         WHERE room.kind = head.kind AND (chosen.runners IS NULL OR room.runner = ANY(chosen.runners))) AS runners_free
    FROM head
    JOIN clients_client AS client ON client.id = head.client_id AND client.is_active
    LEFT JOIN usage ON usage.client_id = head.client_id
    LEFT JOIN chosen ON chosen.client_id = head.client_id
    WHERE NOT EXISTS (
        SELECT FROM exhausted WHERE exhausted.client_id = head.client_id AND exhausted.kind = head.kind)
), ranked AS (
    SELECT *, CASE WHEN may_go THEN row_number() OVER (
        PARTITION BY may_go ORDER BY client_priority, pipeline_priority, stage_position, priority, id
    ) ELSE 1 END AS rank
    FROM pair WHERE client_free IS DISTINCT FROM 0 AND runners_free > 0
), proposed AS (
    SELECT job.*, ranked.client_priority, ranked.client_free, ranked.runners
    FROM ranked CROSS JOIN LATERAL (
        SELECT id, pipeline_priority, stage_position, priority FROM pipelines_job
        WHERE state = 'READY' AND eligible_at IS NOT NULL AND eligible_at <= %(now)s
            AND client_id = ranked.client_id AND kind = ranked.kind AND id <> ALL(%(placed)s)
        ORDER BY pipeline_priority, stage_position, priority, id
        LIMIT LEAST(%(room)s - ranked.rank + 1, ranked.runners_free, ranked.client_free)
    ) AS job
    WHERE ranked.rank <= %(room)s
    ORDER BY ranked.client_priority, job.pipeline_priority, job.stage_position, job.priority, job.id
    LIMIT %(room)s
)
SELECT job.id, job.attempt, job.pipeline_id, job.stage_id, stage.state = 'READY', job.client_id, job.kind,
    proposed.client_free, proposed.runners
FROM proposed
JOIN pipelines_job AS job ON job.id = proposed.id
JOIN pipelines_stage AS stage ON stage.id = job.stage_id
ORDER BY proposed.client_priority, proposed.pipeline_priority, proposed.stage_position, proposed.priority, proposed.id
"""


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
    ((in_progress,),) = rows.ask("SELECT count(*) FROM pipelines_job WHERE state = 'IN_PROGRESS'", [])
    room = settings.QUEUE_SIZE - in_progress
    if room <= 0:
        return []
    placement = Placement(Runner.objects.open(now).with_use(), room=room)
    while placement.room > 0 and (candidates := _propose(placement, now=now)):
        if not placement.place(candidates):
            break
    return _hand_out(placement.placed, now=now)


def _propose(placement: Placement, *, now: datetime) -> list[Candidate]:
    proposed = rows.ask(
        PROPOSE,
        {
            "now": now,
            "room": placement.room,
            "rooms": json.dumps(placement.rooms()),
            "exhausted": json.dumps([{"client_id": c, "kind": k} for c, k in placement.exhausted]),
            "placed": [candidate.job for candidate, _ in placement.placed],
        },
    )
    return [Candidate(*row) for row in proposed]


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
