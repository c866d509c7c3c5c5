"""What jobs cost that run and do nothing: leases that are renewed, and memory."""

from __future__ import annotations

import time

from benchmarks import stack
from benchmarks.checking import WrongRun
from benchmarks.documents import document
from benchmarks.ground import Ground
from benchmarks.programs import eventually
from benchmarks.rows import Outcome, figure
from benchmarks.scale import Scale
from benchmarks.stack import API, Stack

_STARTED = "SELECT count(*) FROM runners_attempt WHERE outcome = '' AND started_at IS NOT NULL"
_LOST = "SELECT count(*) FROM runners_attempt WHERE outcome <> '' OR number > 1"


def leases(ground: Ground, scale: Scale) -> Outcome:
    """Have many jobs run at once, on a stack of its own whose runner takes them all; none may be lost meanwhile."""
    jobs = scale.running
    what = f"{jobs:,} running jobs"
    with stack.started(ground.directory / "leases", QUEUE_SIZE=str(jobs), RUNNER_CAPACITY=str(jobs)) as mine:
        before = mine.memory_by_part()
        pipeline = mine.submit(document(stages=1, jobs=jobs, command=["sleep", "3600"]))
        eventually(lambda: mine.query(_STARTED) == [(jobs,)], what=f"{what} to have started")
        used = _cpu(mine, seconds=scale.running_seconds)
        memory = mine.memory_by_part()
        if (lost := mine.query(_LOST)) != [(0,)]:
            raise WrongRun(f"{lost} of {jobs} attempts are over")
        mine.ask("POST", f"{API}/pipelines/{pipeline}/cancel/")
        mine.await_all_final(since=time.perf_counter())
    return Outcome(
        figures=[
            figure(f"{what}: CPU of everything", values=[sum(used.values())], unit="% of one core"),
            *(figure(f"{what}: CPU of {part}", values=[share], unit="% of one core") for part, share in used.items()),
            *(
                figure(f"{what}: memory of {part}, more than idle", values=[memory[part] - before[part]], unit="MiB")
                for part in ("web", "control")
            ),
        ]
    )


def _cpu(mine: Stack, *, seconds: float) -> dict[str, float]:
    """Return what each part uses, as shares of one core."""
    before, began = mine.cpu_by_part(), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {part: 100 * (now - before[part]) / passed for part, now in mine.cpu_by_part().items()}
