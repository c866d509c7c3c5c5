"""What the parts can do by themselves that ours is made of: no target, but what no design goes below."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from benchmarks.ground import Ground
from benchmarks.rows import Outcome, figure
from benchmarks.scale import Scale

_TABLE = """
CREATE TABLE IF NOT EXISTS bare_job (id bigint PRIMARY KEY, state text NOT NULL, priority smallint NOT NULL);
CREATE INDEX IF NOT EXISTS bare_job_claim ON bare_job (priority, id) WHERE state = 'READY';
TRUNCATE bare_job;
"""
_FILL = "INSERT INTO bare_job SELECT n, 'READY', n %% 10 FROM generate_series(1, %s) AS n"
_CLAIM = """
UPDATE bare_job SET state = 'IN_PROGRESS' WHERE id IN (
    SELECT id FROM bare_job WHERE state = 'READY' ORDER BY priority, id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING id
"""


def floors(ground: Ground, scale: Scale) -> Outcome:
    """Claim from a table of three columns on one connection, each time with a commit; send Celery's messages."""
    with psycopg.connect(ground.engines.database_url, autocommit=True) as connection:
        singly, by_hundred = (
            [_claimed_a_second(connection, rows=scale.bare_rows, at_once=at_once) for _ in range(scale.rounds)]
            for at_once in (1, 100)
        )
    published, worked_off = zip(*(ground.canvas.messages(scale.messages) for _ in range(scale.rounds)), strict=True)
    return Outcome(
        figures=[
            figure("bare claim loop on PostgreSQL, one row a commit", values=singly, unit="rows/s"),
            figure("bare claim loop on PostgreSQL, 100 rows a commit", values=by_hundred, unit="rows/s"),
            figure("raw Celery, messages published", values=published, unit="messages/s"),
            figure("raw Celery, messages published and worked off", values=worked_off, unit="messages/s"),
        ]
    )


def _claimed_a_second(connection: psycopg.Connection[Any], *, rows: int, at_once: int) -> float:
    connection.execute(_TABLE)
    connection.execute(_FILL, [rows])
    connection.execute("ANALYZE bare_job")
    claimed, began = 0, time.perf_counter()
    while more := connection.execute(_CLAIM, [at_once]).fetchall():
        claimed += len(more)
    if claimed != rows:
        raise RuntimeError(f"{claimed} of {rows} rows were claimed")
    return rows / (time.perf_counter() - began)
