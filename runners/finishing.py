"""The end of attempts, however it came: each is closed, its job moved, stages and pipelines settled, one nudge sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines import moves, settling
from pipelines.models import Job, Pipeline
from pipelines.nudges import nudge
from pipelines.states import State
from runners.models import Attempt, Outcome
from runners.verdicts import Verdict, decide


@dataclass(frozen=True)
class End:
    """An attempt that was ended in memory (Attempt.end), its job as it stands, and the result reported."""

    attempt: Attempt
    job: Job
    result: Any = None


def finish(ends: Sequence[End], *, pipelines: Sequence[Pipeline], now: datetime) -> None:
    """Carry out what the ends of these attempts mean for their jobs, stages and pipelines.

    The caller holds the row locks of the pipelines and of the jobs, in this order, read them after locking, and
    writes the attempts itself (Attempt.objects.write).
    """
    if not ends:
        return
    by_id = {pipeline.pk: pipeline for pipeline in pipelines}
    moved: dict[State, list[dict[str, Any]]] = {}
    cancelled: list[dict[str, Any]] = []
    for end in ends:
        pipeline = by_id[end.job.pipeline_id]
        verdict = decide(
            end.job,
            outcome=Outcome(end.attempt.outcome),
            reason=end.attempt.reason,
            pipeline_stopped=pipeline.is_stopped,
            pipeline_cancelled=pipeline.cancel_requested_at is not None,
            now=now,
        )
        moved.setdefault(verdict.target, []).append(_row(end, verdict))
        if verdict.cancelled:
            cancelled.append({"id": end.job.pk, "reason": verdict.cancelled})
    for target, rows in moved.items():
        moves.move_jobs(rows, target=target, now=now)
    moves.move_jobs(cancelled, target=State.CANCELLED, now=now)
    settling.settle(by_id, now=now)
    nudge()


def _row(end: End, verdict: Verdict) -> dict[str, Any]:
    job, attempt = end.job, end.attempt
    return {
        "id": job.pk,
        "failures": job.failures,
        "losses": job.losses,
        "unstarted": job.unstarted,
        "progress": job.progress,
        "eligible_at": job.eligible_at,
        "started_at": job.started_at,
        "reason": attempt.reason,
        "message": attempt.message or job.message,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "result": end.result,
        **verdict.values,
    }
