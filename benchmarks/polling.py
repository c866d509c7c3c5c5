"""Whether the web goes on answering while many clients poll and many jobs wait."""

from __future__ import annotations

from statistics import median, quantiles

from benchmarks.connection import poll
from benchmarks.documents import document
from benchmarks.ground import Ground
from benchmarks.programs import eventually
from benchmarks.rows import Outcome, figure
from benchmarks.scale import Scale
from benchmarks.stack import API, Stack
from benchmarks.web import THREE_JOBS, paused

EVERY_SECONDS = 2.0


def polling(ground: Ground, scale: Scale) -> Outcome:
    """Poll: each client its own three-job pipeline, while the jobs of some large documents wait for a paused runner."""
    stack = ground.stack
    stack.forget()
    with paused(stack):
        pipelines = [stack.submit(THREE_JOBS) for _ in range(scale.pollers)]
        waiting = _submit_large(stack, scale=scale) + 3 * scale.pollers
        asked = [stack.request("GET", f"{API}/pipelines/{pipeline}/") for pipeline in pipelines]
        every = min(EVERY_SECONDS, scale.polled_seconds / 4)
        rounds = [
            poll(stack.address, asked, every_seconds=every, seconds=scale.polled_seconds) for _ in range(scale.rounds)
        ]
        stack.forget()
    what = f"{scale.pollers} clients that poll every {every:g} s while {waiting:,} jobs wait"
    slowest = [1000 * quantiles(took, n=100, method="inclusive")[-1] for took in rounds]
    return Outcome(
        figures=[
            figure(f"{what}: p99 of the answers", values=slowest, unit="ms"),
            figure(f"{what}: median", values=[1000 * median(took) for took in rounds], unit="ms"),
        ]
    )


def _submit_large(stack: Stack, *, scale: Scale) -> int:
    """Submit documents of many jobs and wait until they are divided; return how many jobs there are in them."""
    body = document(stages=1, jobs=scale.document_jobs)
    submitted = [stack.submit(body) for _ in range(scale.waiting)]
    jobs = scale.document_jobs * len(submitted)
    divided = f"SELECT count(*) FROM pipelines_job WHERE pipeline_id >= {min(submitted)}"
    eventually(lambda: stack.query(divided) == [(jobs,)], what="large documents to be divided", pause=0.1)
    return jobs
