"""What finished jobs mean for their stages and pipelines: decided here and nowhere else, for a set, idempotently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from clients import rows
from pipelines import moves
from pipelines.models import Job, Pipeline, Stage
from pipelines.querysets import JobQuerySet
from pipelines.states import UNFINISHED, State

# Why a job ended CANCELLED: alone, with its pipeline, or because another job's failure stopped the pipeline.
CANCELLED = "cancelled"
PIPELINE_CANCELLED = "pipeline_cancelled"
PIPELINE_FAILED = "pipeline_failed"


# Raw SQL: asked with every set of reports, and LATERAL the ORM does not know.
_STANDINGS = """
SELECT pipeline.id, pipeline.client_id, pipeline.stopped_at IS NOT NULL OR pipeline.cancel_requested_at IS NOT NULL,
    EXISTS (SELECT FROM pipelines_job AS job WHERE job.pipeline_id = pipeline.id
            AND job.state IN ('CANCELLED', 'ERROR') AND NOT job.allow_failure),
    stage.id, stage.opened_at IS NOT NULL,
    EXISTS (SELECT FROM pipelines_job AS job WHERE job.client_id = pipeline.client_id AND job.stage_id = stage.id
            AND job.state IN ('READY', 'IN_PROGRESS'))
FROM pipelines_pipeline AS pipeline
LEFT JOIN LATERAL (
    SELECT id, opened_at FROM pipelines_stage
    WHERE pipeline_id = pipeline.id AND state IN ('READY', 'IN_PROGRESS') ORDER BY position LIMIT 1
) AS stage ON true
WHERE pipeline.id = ANY(%s) AND pipeline.divided AND pipeline.state IN ('READY', 'IN_PROGRESS')
"""
# Returns nothing: PostgreSQL carries out the first UPDATE whether or not its rows are asked for.
_OPEN = """
WITH opened AS (UPDATE pipelines_stage SET opened_at = %(now)s WHERE id = ANY(%(stages)s))
UPDATE pipelines_job SET eligible_at = %(now)s
WHERE client_id = ANY(%(clients)s) AND stage_id = ANY(%(stages)s) AND state = 'READY'
"""
# Of each owner with unsuccessful jobs: the failures that were not allowed, the jobs whose cancelling counts, and what
# is tolerated. A cancelled job counts against its owner unless the failure was allowed; where the whole pipeline was
# cancelled or had failed, allowed or not: the stage was never run to its end.
_COUNTED = """
SELECT job.{owner},
    count(*) FILTER (WHERE job.state = 'ERROR' AND NOT job.allow_failure),
    count(*) FILTER (WHERE job.state = 'CANCELLED'
        AND (NOT job.allow_failure OR job.reason = %(failed)s OR pipeline.cancel_requested_at IS NOT NULL)),
    count(*) FILTER (WHERE job.allow_failure AND NOT (job.state = 'CANCELLED' AND job.reason = ANY(%(stopped)s)))
FROM pipelines_job AS job JOIN pipelines_pipeline AS pipeline ON pipeline.id = job.pipeline_id
WHERE job.pipeline_id = ANY(%(pipelines)s) AND job.state IN ('CANCELLED', 'ERROR')
GROUP BY job.{owner}
"""


@dataclass(frozen=True)
class Standing:
    """Where a pipeline stands: its first stage that has not ended, and what holds it there."""

    pipeline: int
    client: int
    is_stopped: bool
    has_failed: bool
    stage: int | None
    stage_is_open: bool
    stage_has_work: bool


def settle(pipelines: Iterable[int], *, now: datetime) -> None:
    """Bring stages and pipelines up to date with their jobs: stop what failed, close what ended, open what comes next.

    The caller holds the pipelines' row locks (`Pipeline.objects.lock`) and has looked at nothing of theirs before.
    Pipelines that are not divided yet, or have ended, are left alone.
    """
    ids = set(pipelines)
    while ids:
        standings = _standings(ids)
        failed = [s.pipeline for s in standings if s.has_failed and not s.is_stopped]
        if failed:
            _stop(failed, now=now)
            continue
        ended = [s for s in standings if s.stage is not None and not s.stage_has_work]
        _close_stages(ended, now=now)
        _open_stages([s for s in standings if _may_open(s)], now=now)
        _close_pipelines([s.pipeline for s in standings if s.stage is None], now=now)
        ids = {s.pipeline for s in ended}


def cancel_ready_jobs(jobs: JobQuerySet, *, reason: str, now: datetime) -> list[int]:
    """Move the set's READY jobs to CANCELLED; return their ids. The caller holds the pipelines' row locks."""
    ids = jobs.filter(state=State.READY).lock_all()
    return moves.move_jobs([{"id": pk, "reason": reason} for pk in ids], target=State.CANCELLED, now=now)


def _standings(ids: set[int]) -> list[Standing]:
    return [Standing(*row) for row in rows.ask(_STANDINGS, [list(ids)])]


def _stop(pipelines: list[int], *, now: datetime) -> None:
    Pipeline.objects.filter(pk__in=pipelines, stopped_at=None).update(stopped_at=now)
    cancel_ready_jobs(Job.objects.filter(pipeline__in=pipelines), reason=PIPELINE_FAILED, now=now)


def _may_open(standing: Standing) -> bool:
    """Tell whether the stage is the next to run: every earlier one has ended, and none of them stopped the pipeline."""
    return (
        standing.stage is not None
        and standing.stage_has_work
        and not standing.stage_is_open
        and not standing.is_stopped
    )


def _open_stages(standings: list[Standing], *, now: datetime) -> None:
    stages = [s.stage for s in standings if s.stage is not None]
    if stages:
        rows.ask(_OPEN, {"now": now, "stages": stages, "clients": list({s.client for s in standings})})


def _close_stages(standings: list[Standing], *, now: datetime) -> None:
    stages = [s.stage for s in standings if s.stage is not None]
    if not stages:
        return
    verdicts = _verdicts({s.pipeline for s in standings}, owner="stage_id")
    for target, warnings, ids in _by_verdict(verdicts, stages):
        moves.move_parents(Stage, ids=ids, source=UNFINISHED, target=target, now=now, warnings=warnings)


def _close_pipelines(pipelines: list[int], *, now: datetime) -> None:
    if not pipelines:
        return
    verdicts = _verdicts(pipelines, owner="pipeline_id")
    for target, warnings, ids in _by_verdict(verdicts, pipelines):
        moves.move_parents(Pipeline, ids=ids, source=UNFINISHED, target=target, now=now, warnings=warnings)


def _verdicts(pipelines: Iterable[int], *, owner: str) -> dict[int, tuple[State, int]]:
    """Return the state and the tolerated failures of each owner that has unsuccessful jobs; the others are DONE."""
    counted = rows.ask(
        _COUNTED.format(owner=owner),
        {
            "pipelines": list(pipelines),
            "failed": PIPELINE_FAILED,
            "stopped": [PIPELINE_FAILED, PIPELINE_CANCELLED],
        },
    )
    return {
        owner: (State.ERROR if errors else State.CANCELLED if cancelled else State.DONE, tolerated)
        for owner, errors, cancelled, tolerated in counted
    }


def _by_verdict(verdicts: dict[int, tuple[State, int]], owners: list[int]) -> Iterable[tuple[State, int, list[int]]]:
    """Group the owners that end alike, so that each group is one UPDATE."""
    groups: dict[tuple[State, int], list[int]] = {}
    for owner in owners:
        groups.setdefault(verdicts.get(owner, (State.DONE, 0)), []).append(owner)
    return [(state, warnings, ids) for (state, warnings), ids in groups.items()]
