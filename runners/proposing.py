"""Which jobs may start, in claim order. Raw SQL: loose index scans, LATERAL and windows in one statement."""

from __future__ import annotations

import json
from datetime import datetime

from clients import rows
from runners.placement import Candidate, Placement

# The front is this many times as deep as there are slots, and not too shallow to hold several clients' jobs.
DEPTH = 4
LEAST_DEPTH = 100
# What every proposal goes by: how much room each (client, kind) has, by the client's limit and the runners it may use.
# Limits apply before the cut, so a client at its limit, or a kind whose runners are full, holds nobody else back. The
# pairs come from `pairs`.
_ROOMS = """
usage AS (
    SELECT client_id, count(*) AS jobs FROM pipelines_job WHERE state = 'IN_PROGRESS' GROUP BY client_id
), room AS (
    SELECT * FROM jsonb_to_recordset(%(rooms)s::jsonb) AS room (runner bigint, kind text, free integer)
), exhausted AS (
    SELECT * FROM jsonb_to_recordset(%(exhausted)s::jsonb) AS exhausted (client_id bigint, kind text)
), chosen AS (
    SELECT client_id, array_agg(runner_id) AS runners FROM runners_runner_clients GROUP BY client_id
), pair AS MATERIALIZED (
    SELECT pairs.*, client.priority AS client_priority, chosen.runners,
        -- Never negative, and NULL where the client has no limit of its own.
        client.queue_size - LEAST(client.queue_size, COALESCE(usage.jobs, 0)) AS client_free,
        (SELECT sum(room.free) FROM room
         WHERE room.kind = pairs.kind AND (chosen.runners IS NULL OR room.runner = ANY(chosen.runners))) AS runners_free
    FROM pairs
    JOIN clients_client AS client ON client.id = pairs.client_id AND client.is_active
    LEFT JOIN usage ON usage.client_id = pairs.client_id
    LEFT JOIN chosen ON chosen.client_id = pairs.client_id
    WHERE NOT EXISTS (
        SELECT FROM exhausted WHERE exhausted.client_id = pairs.client_id AND exhausted.kind = pairs.kind)
)"""
_CANDIDATE = """job.id, job.attempt, job.pipeline_id, job.stage_id, stage.state = 'READY', job.client_id, job.kind,
    proposed.client_free, proposed.runners"""
_JOINED = """proposed
JOIN pipelines_job AS job ON job.id = proposed.id
JOIN pipelines_stage AS stage ON stage.id = job.stage_id"""
_ORDER = "client_priority, pipeline_priority, stage_position, priority, id"
_IN_ORDER = "ORDER BY " + ", ".join(f"proposed.{column}" for column in _ORDER.split(", "))
# The front: the first jobs in the order within a client, whoever's they are. These may be all that wait, or all
# clients may have one priority: then nobody goes before them. Jobs that wait for their retry are among them, so that it
# is known whether they are all.
FRONT = f"""
WITH front AS MATERIALIZED (
    SELECT client_id, kind, pipeline_priority, stage_position, priority, id, eligible_at FROM pipelines_job
    WHERE state = 'READY' AND eligible_at IS NOT NULL AND id > 0
    ORDER BY pipeline_priority, stage_position, priority, id LIMIT %(depth)s
), seen AS (
    SELECT count(*) < %(depth)s AS is_whole,
        (SELECT min(priority) = max(priority) FROM clients_client WHERE is_active) AS is_one_priority
    FROM front
), pairs AS (
    SELECT DISTINCT client_id, kind FROM front
), {_ROOMS}, numbered AS (
    SELECT front.*, pair.client_priority, pair.client_free, pair.runners_free, pair.runners, row_number() OVER (
        PARTITION BY front.client_id, front.kind
        ORDER BY front.pipeline_priority, front.stage_position, front.priority, front.id) AS number
    FROM front JOIN pair ON pair.client_id = front.client_id AND pair.kind = front.kind
    WHERE front.eligible_at <= %(now)s AND front.id <> ALL(%(placed)s)
), proposed AS (
    SELECT * FROM numbered WHERE runners_free > 0 AND number <= LEAST(runners_free, client_free)
    ORDER BY {_ORDER} LIMIT %(room)s
)
SELECT seen.is_whole, seen.is_one_priority, {_CANDIDATE} FROM seen LEFT JOIN ({_JOINED}) ON true {_IN_ORDER}
"""  # noqa: S608
# From the first job, the head, of each pair that has one: a loose index scan reads one entry a pair, however long the
# backlog. The first `room` jobs of all are in the pairs of the first `room` heads, and the n-th of these has n - 1 jobs
# of others before its own: nobody looks deeper. A pair whose head may not be taken (it waits for its retry, or is
# placed already) has no such rank and is looked into all the same.
HEADS = f"""
WITH RECURSIVE pairs AS (
    (SELECT client_id, kind, pipeline_priority, stage_position, priority, id, eligible_at FROM pipelines_job
     WHERE state = 'READY' AND eligible_at IS NOT NULL
     ORDER BY client_id, kind, pipeline_priority, stage_position, priority, id LIMIT 1)
    UNION ALL
    SELECT following.* FROM pairs CROSS JOIN LATERAL (
        SELECT client_id, kind, pipeline_priority, stage_position, priority, id, eligible_at FROM pipelines_job
        WHERE state = 'READY' AND eligible_at IS NOT NULL AND (client_id, kind) > (pairs.client_id, pairs.kind)
        ORDER BY client_id, kind, pipeline_priority, stage_position, priority, id LIMIT 1
    ) AS following
), {_ROOMS}, headed AS (
    SELECT *, eligible_at <= %(now)s AND id <> ALL(%(placed)s) AS may_go FROM pair
    WHERE client_free IS DISTINCT FROM 0 AND runners_free > 0
), ranked AS (
    SELECT *, CASE WHEN may_go THEN row_number() OVER (PARTITION BY may_go ORDER BY {_ORDER}) ELSE 1 END AS rank
    FROM headed
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
SELECT {_CANDIDATE} FROM {_JOINED} {_IN_ORDER}
"""  # noqa: S608


def propose(placement: Placement, *, now: datetime) -> list[Candidate]:
    """Return the first jobs in claim order that may start and are not placed yet, at most as many as there are slots.

    Of a (client, kind) that the placement found exhausted there is none.
    """
    slots = placement.slots
    values = {
        "now": now,
        "room": slots,
        "depth": max(DEPTH * slots, LEAST_DEPTH),
        "rooms": json.dumps(placement.rooms()),
        "exhausted": json.dumps([{"client_id": c, "kind": k} for c, k in placement.exhausted]),
        "placed": [candidate.job for candidate, _ in placement.placed],
    }
    found = rows.ask(FRONT, values)
    is_whole, is_one_priority, *_ = found[0]
    candidates = [Candidate(*row) for _, _, *row in found if row[0] is not None]
    if is_whole or (is_one_priority and len(candidates) == slots):
        return candidates
    return [Candidate(*row) for row in rows.ask(HEADS, values)]
