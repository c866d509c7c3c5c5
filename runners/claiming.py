"""The claim: which READY jobs go to which runner now. The only bulk way into IN_PROGRESS."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from pipelines import moves
from pipelines.models import Job, Pipeline, Stage
from pipelines.states import State
from runners.models import Attempt, Runner
from runners.placement import Candidate, Placement

# Proposes candidates in claim order, as many per client and kind as have room: limits apply before the cut, so a
# client at its limit, or a kind whose runners are full, holds nobody else back. Raw SQL: the ORM knows neither the
# loose index scan over (client, kind), which reads one index entry a pair however long the backlog, nor LATERAL.
PROPOSE = """
WITH RECURSIVE pair AS (
    (SELECT client_id, kind FROM pipelines_job
     WHERE state = 'READY' AND eligible_at IS NOT NULL ORDER BY client_id, kind LIMIT 1)
    UNION ALL
    SELECT following.client_id, following.kind FROM pair CROSS JOIN LATERAL (
        SELECT client_id, kind FROM pipelines_job
        WHERE state = 'READY' AND eligible_at IS NOT NULL AND (client_id, kind) > (pair.client_id, pair.kind)
        ORDER BY client_id, kind LIMIT 1
    ) AS following
), usage AS (
    SELECT client_id, count(*) AS jobs FROM pipelines_job WHERE state = 'IN_PROGRESS' GROUP BY client_id
), room AS (
    SELECT * FROM jsonb_to_recordset(%(rooms)s::jsonb) AS room(runner bigint, kind text, free integer)
), exhausted AS (
    SELECT * FROM jsonb_to_recordset(%(exhausted)s::jsonb) AS exhausted(client_id bigint, kind text)
)
SELECT job.id, job.attempt, job.pipeline_id, job.stage_id, pair.client_id, pair.kind, limits.free
FROM pair
JOIN clients_client AS client ON client.id = pair.client_id AND client.is_active
LEFT JOIN usage ON usage.client_id = pair.client_id
CROSS JOIN LATERAL (
    -- Never negative, and NULL where the client has no limit of its own.
    SELECT client.queue_size - LEAST(client.queue_size, COALESCE(usage.jobs, 0)) AS free
) AS limits
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(room.free), 0) AS free FROM room
    WHERE room.kind = pair.kind AND (
        NOT EXISTS (SELECT FROM runners_runner_clients AS chosen WHERE chosen.client_id = pair.client_id)
        OR EXISTS (SELECT FROM runners_runner_clients AS chosen
                   WHERE chosen.client_id = pair.client_id AND chosen.runner_id = room.runner))
) AS reachable
CROSS JOIN LATERAL (
    SELECT id, attempt, pipeline_id, stage_id, pipeline_priority, stage_position, priority
    FROM pipelines_job
    WHERE state = 'READY' AND eligible_at IS NOT NULL AND eligible_at <= %(now)s
        AND client_id = pair.client_id AND kind = pair.kind AND id <> ALL(%(placed)s)
    ORDER BY pipeline_priority, stage_position, priority, id
    LIMIT LEAST(%(room)s, reachable.free, limits.free)
) AS job
WHERE NOT EXISTS (
    SELECT FROM exhausted WHERE exhausted.client_id = pair.client_id AND exhausted.kind = pair.kind)
ORDER BY client.priority, job.pipeline_priority, job.stage_position, job.priority, job.id
LIMIT %(room)s
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
    room = settings.QUEUE_SIZE - Job.objects.filter(state=State.IN_PROGRESS).count()
    if room <= 0:
        return []
    placement = Placement(Runner.objects.open(now).with_use(), room=room)
    while placement.room > 0 and (candidates := _propose(placement, now=now)):
        if not placement.place(candidates, choices=_choices(candidates)):
            break
    return _hand_out(placement.placed, now=now)


def _propose(placement: Placement, *, now: datetime) -> list[Candidate]:
    with connection.cursor() as cursor:
        cursor.execute(
            PROPOSE,
            {
                "now": now,
                "room": placement.room,
                "rooms": json.dumps(placement.rooms()),
                "exhausted": json.dumps([{"client_id": c, "kind": k} for c, k in placement.exhausted]),
                "placed": [candidate.job for candidate, _ in placement.placed],
            },
        )
        return [Candidate(*row) for row in cursor.fetchall()]


def _choices(candidates: Iterable[Candidate]) -> dict[int, set[int]]:
    """Return the runners of each client that names some; the others may use all."""
    choices: dict[int, set[int]] = {}
    clients = {candidate.client for candidate in candidates}
    rows = Runner.clients.through.objects.filter(client__in=clients)
    for client, runner in rows.values_list("client_id", "runner_id"):
        choices.setdefault(client, set()).add(runner)
    return choices


def _hand_out(placed: list[tuple[Candidate, Runner]], *, now: datetime) -> list[Claim]:
    started = _stages_to_start({candidate.stage for candidate, _ in placed})
    locked = set(
        Pipeline.objects.filter(pk__in=set(started.values()))
        .order_by("pk")
        .select_for_update(no_key=True, skip_locked=True)
        .values_list("pk", flat=True)
    )
    able = {c.job for c, _ in placed if c.stage not in started or c.pipeline in locked}
    # Only what is still there to be claimed.
    ready = set(
        Job.objects.filter(pk__in=able, state=State.READY, eligible_at__lte=now)
        .order_by("pk")
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .values_list("pk", flat=True)
    )
    # In claim order, so that attempts are numbered and sent in it.
    handed_out = [(c, r) for c, r in placed if c.job in ready]
    moves.move_jobs(
        [{"id": c.job, "attempt": c.attempt + 1, "runner_name": r.name} for c, r in handed_out],
        target=State.IN_PROGRESS,
        now=now,
    )
    lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
    Attempt.objects.bulk_create(
        Attempt(
            job_id=c.job, number=c.attempt + 1, runner=r, runner_name=r.name,
            claimed_at=now, sent_at=now, lease_until=lease_until,
        )
        for c, r in handed_out
    )  # fmt: skip
    stages = {c.stage for c, _ in handed_out} & started.keys()
    for parents, ids in ((Stage.objects.all(), stages), (Pipeline.objects.all(), {started[s] for s in stages})):
        moves.move_parents(parents, ids=ids, source=[State.READY], target=State.IN_PROGRESS, now=now, started_at=now)
    return [Claim(job=c.job, attempt=c.attempt + 1, runner=r.pk) for c, r in handed_out]


def _stages_to_start(stages: set[int]) -> dict[int, int]:
    """Return the stages of which nothing was started yet, each with its pipeline, whose lock their move asks for."""
    return dict(Stage.objects.filter(pk__in=stages, state=State.READY).values_list("pk", "pipeline_id"))
