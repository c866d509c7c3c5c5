"""How long an idle system takes to begin a job, and to go from one stage to the next."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

from benchmarks.checking import check
from benchmarks.documents import Workload
from benchmarks.ground import Ground
from benchmarks.rows import Outcome, compare, figure, interleave
from benchmarks.scale import Scale
from benchmarks.stack import API, Stack, seconds_of
from benchmarks.targets import HAND_OFF, STARTED

# Long enough for all that the job before has left to be done.
IDLE_SECONDS = 0.15
ONE = Workload(1, 1, 1)
CHAIN = Workload(1, 10, 1)


def started(ground: Ground, scale: Scale) -> Outcome:
    """W(1,1,1) on an idle system."""
    stack, canvas = ground.stack, ground.canvas
    posted = stack.request("POST", f"{API}/pipelines/", body=ONE.document())
    done: list[float] = []

    def ours() -> float:
        stack.forget()
        time.sleep(IDLE_SECONDS)
        began = time.time()
        stack.connection.ask(posted)
        time.sleep(IDLE_SECONDS / 3)  # nobody asks while it starts
        stack.await_all_final(since=time.perf_counter())
        check(ONE, ran=(ran := stack.ran()))
        done.append(1000 * (ran[0].ended - began))
        return 1000 * (ran[0].started - began)

    def theirs() -> float:
        time.sleep(IDLE_SECONDS)
        return 1000 * canvas.start_seconds()

    interleave(2, ours, theirs)
    done.clear()
    mine, others = interleave(scale.moments, ours, theirs)
    return Outcome(
        [compare(STARTED, ours=mine, baseline=others)],
        [figure("submit to job done, idle", values=done, unit="ms")],
    )


def hand_off(ground: Ground, scale: Scale) -> Outcome:
    """W(1,10,1): from the end of a stage's job to the begin of the next one's."""
    stack, canvas = ground.stack, ground.canvas

    def ours() -> float:
        stack.forget()
        time.sleep(IDLE_SECONDS)
        pipeline = stack.submit(CHAIN.document())
        stack.await_all_final(since=time.perf_counter())
        check(CHAIN, ran=stack.ran())
        return 1000 * median(_gaps(stack, pipeline=pipeline))

    def theirs() -> float:
        time.sleep(IDLE_SECONDS)
        return 1000 * median(canvas.hand_off_seconds() for _ in range(CHAIN.stages - 1))

    interleave(1, ours, theirs)
    mine, others = interleave(max(1, scale.moments // 3), ours, theirs)
    return Outcome([compare(HAND_OFF, ours=mine, baseline=others)])


def _gaps(stack: Stack, *, pipeline: int) -> list[float]:
    jobs = [job for stage in stack.pipeline(pipeline)["stages"] for job in stage["jobs"]]
    times = [(seconds_of(job["started_at"]), seconds_of(job["finished_at"])) for job in jobs]
    return [begin - end for (_, end), (begin, _) in pairwise(times)]
