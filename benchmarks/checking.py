"""A run counts only if the exact set of jobs ran, none twice, and no stage before its predecessor had ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.documents import Workload


class WrongRun(Exception):
    """A timed run did not do what it was timed for."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One execution of a job; times by any one clock."""

    pipeline: int
    stage: int
    job: int
    started: float
    ended: float


def check(workload: Workload, *, ran: Iterable[Ran]) -> None:
    """Raise WrongRun unless these are the executions of the workload; pipelines and jobs may be numbered anyhow."""
    ran = list(ran)
    counts = Counter((each.pipeline, each.stage, each.job) for each in ran)
    if (twice := [key for key, count in counts.items() if count > 1]) or len(counts) != workload.total:
        raise WrongRun(f"{workload}: {len(counts)} of {workload.total} jobs ran, {len(twice)} of them more than once")
    sizes = Counter((each.pipeline, each.stage) for each in ran)
    wanted = workload.pipelines * workload.stages
    if len(sizes) != wanted or set(sizes.values()) != {workload.jobs}:
        raise WrongRun(f"{workload}: the jobs are not {wanted} stages of {workload.jobs}")
    _check_order(ran)


def _check_order(ran: list[Ran]) -> None:
    started: dict[tuple[int, int], float] = {}
    ended: dict[tuple[int, int], float] = {}
    for each in ran:
        stage = each.pipeline, each.stage
        started[stage] = min(each.started, started.get(stage, each.started))
        ended[stage] = max(each.ended, ended.get(stage, each.ended))
    for (pipeline, position), begin in started.items():
        if begin < ended.get((pipeline, position - 1), begin):
            raise WrongRun(f"stage {position} of pipeline {pipeline} began before the one before it had ended")
