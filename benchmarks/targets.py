"""The targets: one row each in every table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of ours to a baseline; of what has no baseline, the figure itself is taken for the ratio."""

    name: str
    baseline: str
    unit: str
    at_least: float
    aim: float
    more_is_better: bool = False

    def is_met(self, ratio: float, *, by: float) -> bool:
        return ratio >= by if self.more_is_better else ratio <= by


THROUGHPUT = Target(
    "W(50,4,25), submit to last job final in the API", "Celery canvas", "jobs/s", 1.5, 3.0, more_is_better=True
)
WIDE_THROUGHPUT = Target(
    "W(1,2,5000), submit to last job final in the API", "Celery canvas", "jobs/s", 1.5, 3.0, more_is_better=True
)
CPU = Target("CPU per 1,000 jobs, all processes", "fork+exec+wait of `true`", "s", 4.0, 2.0)
STARTED = Target("submit to job started, idle", "Celery apply_async to task started", "ms", 15.0, 6.0)
HAND_OFF = Target("hand-off between stages", "Celery chord hand-off", "ms", 8.0, 4.0)
CLAIM_BACKLOG = Target("claim of 100 from 1 M READY over 100 clients", "from 1 k READY", "ms", 1.5, 1.1)
CLAIM_CLIENTS = Target("claim of 100 from 1 M READY over 10,000 clients", "over 100 clients", "ms", 5.0, 2.0)
DIVISION = Target("division of 10,000 jobs, document bytes to commit", "COPY of the same rows", "ms", 8.0, 3.0)
SUBMIT = Target(
    "submit of a three-job pipeline at 8 connections", "bare DRF view with one insert", "requests/s", 0.4, 0.7,
    more_is_better=True,
)  # fmt: skip
READ = Target("GET of a pipeline / list page, the slower", "bare DRF view", "requests/s", 0.5, 0.8, more_is_better=True)
IDLE_CPU = Target("idle CPU of the whole stack", "none: % of one core", "%", 3.0, 1.0)
IDLE_MEMORY = Target("memory of the whole stack idle (PSS, without engines)", "none: MiB", "MiB", 350.0, 220.0)

TARGETS = (
    THROUGHPUT, WIDE_THROUGHPUT, CPU, STARTED, HAND_OFF, CLAIM_BACKLOG, CLAIM_CLIENTS, DIVISION, SUBMIT, READ,
    IDLE_CPU, IDLE_MEMORY,
)  # fmt: skip
