"""Apply a list of report items: fence by attempt and worker, write sets, settle what they end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from clients import rows
from pipelines import bulk
from pipelines.models import Job, Pipeline
from pipelines.states import State
from runners import finishing
from runners.finishing import End
from runners.logs import Appends
from runners.models import Attempt
from runners.reports import effects
from runners.reports.items import Finished, Item, Reply, Returned

_JOB_COLUMNS = {"started_at": "timestamptz", "unstarted": "smallint", "progress": "smallint", "message": "text"}

# Raw SQL, here and for what is locked: a report is mostly queries, which Django takes longer to build than PostgreSQL
# to answer.
_VISIBLE = """
SELECT attempt.job_id, attempt.number, job.pipeline_id, job.state
FROM unnest(%(jobs)s::bigint[], %(numbers)s::integer[]) AS asked (job, number)
JOIN runners_attempt AS attempt ON attempt.job_id = asked.job AND attempt.number = asked.number
JOIN pipelines_job AS job ON job.id = attempt.job_id
WHERE %(runner)s::bigint IS NULL OR attempt.runner_id = %(runner)s
"""


@dataclass
class Batch:
    """What the items of one call add up to before it is written."""

    now: datetime
    jobs: dict[int, Job]
    attempts: dict[tuple[int, int], Attempt]
    touched: dict[int, Attempt] = field(default_factory=dict)
    shown: dict[int, Job] = field(default_factory=dict)
    appends: Appends = field(default_factory=Appends)
    ends: list[End] = field(default_factory=list)


@transaction.atomic
def apply(
    items: Sequence[Item], *, allowed: Iterable[tuple[int, int]] | None, runner: int | None, now: datetime
) -> list[Reply]:
    """Apply the items in order and return a reply for each; every item succeeds or fails alone.

    `runner` is whose attempts may be reported, or `allowed` the one attempt a token is good for; everything else is
    404. Locks the pipelines of what ends or waits and then the jobs reported, each in id order.
    """
    keys = {(item.job, item.attempt) for item in items}
    known = _visible(keys, allowed=set(allowed) if allowed is not None else None, runner=runner)
    ending = {item.job for item in items if isinstance(item, Finished | Returned)}
    # A job that waits is locked by whoever stops its pipeline, after the jobs of its own: who reports late on it must
    # not hold it while waiting for one of those.
    pipelines = Pipeline.objects.lock(
        {pipeline for (job, _), (pipeline, state) in known.items() if job in ending or state == State.READY}
    )
    # The job's row lock is what an attempt is written under.
    jobs = {job.pk: job for job in Job.objects.lock(job for job, _ in known)}
    attempts = {(attempt.job_id, attempt.number): attempt for attempt in Attempt.objects.of(known)}
    batch = Batch(now=now, jobs=jobs, attempts={key: a for key, a in attempts.items() if key in known})
    replies = [effects.apply_item(item, batch=batch) for item in items]
    ended = {end.job.pk for end in batch.ends}
    _show([job for pk, job in batch.shown.items() if pk not in ended])
    finishing.finish(batch.ends, pipelines=pipelines, now=now)
    Attempt.objects.write(batch.touched.values())
    batch.appends.write()
    return replies


def _visible(
    keys: set[tuple[int, int]], *, allowed: set[tuple[int, int]] | None, runner: int | None
) -> dict[tuple[int, int], tuple[int, str]]:
    """Return those of the attempts that may be reported, each with its pipeline and its job's state."""
    if allowed is not None:
        keys = keys & allowed
    found = rows.ask(_VISIBLE, {"jobs": [j for j, _ in keys], "numbers": [n for _, n in keys], "runner": runner})
    return {(job, number): (pipeline, state) for job, number, pipeline, state in found}


def _show(jobs: list[Job]) -> None:
    """Write what readers of a running job see."""
    shown: list[dict[str, Any]] = [
        {"id": job.pk, **{name: getattr(job, name) for name in _JOB_COLUMNS}} for job in jobs
    ]
    bulk.update_rows("pipelines_job", shown, types=_JOB_COLUMNS)
