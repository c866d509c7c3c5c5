"""`make soak`: many jobs one after another, nothing forgotten; does anything grow, or slow down?"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import insider
from benchmarks.checking import WrongRun
from benchmarks.documents import Workload, document
from benchmarks.ground import Ground
from benchmarks.insider import Insider
from benchmarks.programs import environment
from benchmarks.stack import API, Stack
from benchmarks.web import paused

BATCH = Workload(100, 4, 25)
WAITING = document(stages=1, jobs=500)
POOL = 100
CLAIMS = 9


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200_000, help="how many (default: 200,000)")
    arguments = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="taskpipeline-soak-"))
    try:
        with Ground(place) as ground:
            for line in _lines(ground.stack, jobs=arguments.jobs, log=place / "claims.log"):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return 0


def _lines(stack: Stack, *, jobs: int, log: Path) -> Iterator[str]:
    """Yield a line a batch: how fast it was, what a claim took after it, the CPU and the memory of each part."""
    env = environment(
        DATABASE_URL=stack.database_url,
        VAR_DIR=str(stack.var_dir),
        QUEUE_SIZE=str(POOL),
        RUNNER_OFFLINE_SECONDS="86400",
    )
    yield f"{'jobs':>8} {'jobs/s':>7} {'claim ms':>8} {'table MiB':>9}  CPU s per 1,000 jobs and MiB of each part"
    done = 0
    with insider.started("claims", env=env, log=log) as claims:
        while done < jobs:
            before = stack.cpu_by_part()
            seconds = stack.run(BATCH)
            used = {part: (now - before[part]) * 1000 / BATCH.total for part, now in stack.cpu_by_part().items()}
            memory = stack.memory_by_part()
            done += BATCH.total
            claim = _claim(stack, claims)
            ((found, size),) = stack.query(
                "SELECT count(*) FILTER (WHERE state = 'DONE'), pg_total_relation_size('pipelines_job') / 2^20 "
                "FROM pipelines_job"
            )
            extra = done // BATCH.total * 500  # what was claimed from
            if found != done + extra:
                raise WrongRun(f"{found} jobs are done, not {done + extra}")
            parts = "  ".join(f"{part} {used.get(part, 0):.2f}/{mib:.0f}" for part, mib in memory.items())
            engines = "  ".join(f"{part} {used[part]:.2f}" for part in used if part not in memory)
            yield f"{done:>8,} {BATCH.total / seconds:>7.0f} {claim:>8.1f} {size:>9.0f}  {parts}  {engines}"


def _claim(stack: Stack, claims: Insider) -> float:
    """Return the milliseconds of a claim from the table as it now is; then let what was waiting for it run."""
    with paused(stack):
        stack.ask("POST", f"{API}/pipelines/", body=WAITING)
        took = median(1000 * float(claims.ask("claim")) for _ in range(CLAIMS))
    stack.await_all_final(since=0)
    return took


if __name__ == "__main__":
    sys.exit(main())
