"""The one way a state changes: a conditional UPDATE from the edge's source, for a set; one row is a set of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models

from clients.rows import ask
from pipelines import bulk
from pipelines.states import EDGES, FINISHED, State

# What may be written along with a move, and as which SQL type it travels.
_WRITABLE = {
    "attempt": "integer",
    "failures": "integer",
    "losses": "integer",
    "unstarted": "smallint",
    "progress": "smallint",
    "reason": "text",
    "message": "text",
    "result": "jsonb",
    "exit_code": "integer",
    "signal": "integer",
    "runner_name": "text",
    "eligible_at": "timestamptz",
    "started_at": "timestamptz",
}
# A new attempt starts with a clean slate.
_RESET = {
    State.IN_PROGRESS: (
        "started_at = NULL, progress = 0, message = '', reason = '', result = NULL, exit_code = NULL, signal = NULL"
    ),
}
# A page of large pipelines at work would otherwise count their jobs each time it is looked at.
_COUNT = """
UPDATE pipelines_pipeline AS pipeline SET ended_jobs = pipeline.ended_jobs + ended.jobs
FROM (SELECT pipeline_id, count(*) AS jobs FROM written GROUP BY pipeline_id) AS ended
WHERE pipeline.id = ended.pipeline_id
"""


def move_jobs(rows: Sequence[Mapping[str, Any]], *, target: State, now: datetime) -> list[int]:
    """Move the jobs to the target state and write the values beside; return the ids of those that moved.

    Their pipelines' `ended_jobs` count those that end, in the same statement.
    Each row holds `id` and the same columns of `_WRITABLE`. A job that is not in the edge's source state is left as
    it is: who needs to know compares the ids. The caller holds the locks its set asks for (see Pipeline).
    """
    assign = ["state = %(target)s"]
    if target in FINISHED:
        assign.append("finished_at = %(now)s")
    if target in _RESET:
        assign.append(_RESET[target])
    return bulk.update_rows(
        "pipelines_job",
        rows,
        types=_WRITABLE,
        assign=assign,
        where="target.state = ANY(%(sources)s)",
        values={"target": target, "now": now, "sources": sources(target)},
        then=_COUNT if target in FINISHED else "",
        told=("pipeline_id",),
    )


def sources(target: State) -> list[str]:
    """Return the states from which an edge leads to the target."""
    return [str(source) for source, end in EDGES if end == target]


def move_parents(
    parents: type[models.Model],
    *,
    ids: Iterable[int],
    source: Iterable[State],
    target: State,
    now: datetime,
    **values: Any,
) -> None:
    """Move pipelines or stages, whose states follow from their jobs, and write the values beside.

    The columns of the values are the caller's own, never input. The caller holds the pipelines' row locks.
    """
    written = {"state": target, **values} | ({"finished_at": now} if target in FINISHED else {})
    assign = ", ".join(f"{column} = %({column})s" for column in written)
    statement = f"UPDATE {parents._meta.db_table} SET {assign} WHERE id = ANY(%(ids)s) AND state = ANY(%(sources)s)"  # noqa: S608
    ask(statement, {**written, "ids": list(ids), "sources": [str(state) for state in source]})
