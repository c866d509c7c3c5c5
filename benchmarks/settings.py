"""What PostgreSQL's settings do to the rate of jobs, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import stack
from benchmarks.ground import Ground
from benchmarks.rows import Figure, Outcome, figure, interleave
from benchmarks.scale import Scale
from benchmarks.stack import Stack
from benchmarks.workloads import Ours

USUAL = "PostgreSQL as it is"
CHANGES: Mapping[str, Mapping[str, str]] = {
    USUAL: {},
    "shared_buffers = 1GB": {"shared_buffers": "1GB"},
    "wal_buffers = 16MB": {"wal_buffers": "16MB"},
    "max_wal_size = 4GB, checkpoint_timeout = 15min": {"max_wal_size": "4GB", "checkpoint_timeout": "15min"},
    "wal_compression = pglz": {"wal_compression": "pglz"},
    "random_page_cost = 1.1": {"random_page_cost": "1.1"},
    "autovacuum_naptime = 15s": {"autovacuum_naptime": "15s"},
    "synchronous_commit = off": {"synchronous_commit": "off"},
}


def settings(ground: Ground, scale: Scale) -> Outcome:
    """Run the workload of jobs on two stacks in turn, one of which has PostgreSQL changed, then started anew."""
    usual = Ours(ground.stack, workload=scale.many)
    usual.run()
    figures: list[Figure] = []
    for name, values in list(CHANGES.items())[: scale.changes]:
        with _changed(ground.directory / "settings", values) as changed:
            other = Ours(changed, workload=scale.many)
            other.run()
            before, after = interleave(scale.rounds, usual.run, other.run)
        ratios = [mine / theirs for mine, theirs in zip(after, before, strict=True)]
        figures.append(figure(f"{scale.many} with {name}, against {USUAL}", values=ratios, unit="x"))
    return Outcome(figures=figures)


@contextmanager
def _changed(var_dir: Path, values: Mapping[str, str]) -> Iterator[Stack]:
    with stack.started(var_dir) as before:
        before.query("ALTER SYSTEM RESET ALL")
        for name, value in values.items():
            before.query(f"ALTER SYSTEM SET {name} = '{value}'")
    with stack.started(var_dir) as after:
        yield after
