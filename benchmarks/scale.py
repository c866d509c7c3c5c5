"""How much is measured: for a table, for a look, for a test."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.documents import Workload


@dataclass(frozen=True, slots=True)
class Backlog:
    """READY jobs of so many clients."""

    jobs: int
    clients: int

    def __str__(self) -> str:
        return f"{self.jobs:,} READY over {self.clients:,} clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes and repetitions; what a target names is measured at its own size only by FULL."""

    name: str
    rounds: int
    many: Workload
    short: Workload  # beside the targets
    wide: Workload
    spawns: int  # processes to start for the floor
    moments: int  # repetitions of what takes milliseconds
    pool: int  # jobs to claim
    small: Backlog
    large: Backlog
    spread: Backlog
    others: tuple[Backlog, ...] = ()
    document_jobs: int
    cluster_jobs: tuple[int, ...]  # Kubernetes jobs at once
    running: int  # jobs that do nothing for long
    running_seconds: float
    messages: int  # Celery's, of a task that does nothing
    bare_rows: int  # of a table without anything, to claim from
    # What costs are drawn over.
    growth_backlog: int
    documents: tuple[int, ...]
    client_counts: tuple[int, ...]
    runner_counts: tuple[int, ...]
    histories: tuple[int, ...]  # finished jobs
    changes: int | None = None  # of PostgreSQL's settings; all by default
    waiting: int  # documents of so many jobs, while clients poll
    pollers: int
    polled_seconds: float
    load_seconds: float
    idle_seconds: float
    idle_rounds: int

    @property
    def backlogs(self) -> tuple[Backlog, ...]:
        return (self.small, self.large, self.spread, *self.others)

    def note(self, size: object) -> str:
        """Return the size for the table, unless it is what the targets name."""
        return "" if self.name == "full" else str(size)

    def with_rounds(self, rounds: int | None) -> Scale:
        return self if rounds is None else replace(self, rounds=rounds)


FULL = Scale(
    name="full",
    rounds=5,
    many=Workload(50, 4, 25),
    short=Workload(20, 3, 10),
    wide=Workload(1, 2, 5000),
    spawns=1000,
    moments=30,
    pool=100,
    small=Backlog(1_000, clients=100),
    large=Backlog(1_000_000, clients=100),
    spread=Backlog(1_000_000, clients=10_000),
    others=(Backlog(10_000, clients=100), Backlog(100_000, clients=100), Backlog(100_000, clients=1)),
    document_jobs=10_000,
    cluster_jobs=(50, 500),
    running=1_000,
    running_seconds=30,
    messages=2_000,
    bare_rows=10_000,
    growth_backlog=100_000,
    documents=(10, 100, 1_000, 10_000, 20_000),
    client_counts=(1, 10, 100, 1_000, 10_000),
    runner_counts=(1, 10, 100, 1_000),
    histories=(0, 10_000, 100_000, 1_000_000),
    waiting=10,
    pollers=200,
    polled_seconds=20,
    load_seconds=3,
    idle_seconds=20,
    idle_rounds=3,
)
QUICK = Scale(
    name="quick",
    rounds=2,
    many=Workload(20, 3, 10),
    short=Workload(10, 2, 5),
    wide=Workload(1, 2, 1000),
    spawns=500,
    moments=10,
    pool=100,
    small=Backlog(1_000, clients=100),
    large=Backlog(100_000, clients=100),
    spread=Backlog(100_000, clients=10_000),
    document_jobs=10_000,
    cluster_jobs=(10, 100),
    running=200,
    running_seconds=3,
    messages=500,
    bare_rows=2_000,
    growth_backlog=10_000,
    documents=(10, 100, 1_000, 10_000),
    client_counts=(1, 10, 100, 1_000),
    runner_counts=(1, 10, 100),
    histories=(0, 10_000),
    changes=2,
    waiting=2,
    pollers=200,
    polled_seconds=4,
    load_seconds=1,
    idle_seconds=10,
    idle_rounds=1,
)
TINY = Scale(
    name="tiny",
    rounds=1,
    many=Workload(2, 2, 2),
    short=Workload(1, 2, 2),
    wide=Workload(1, 2, 3),
    spawns=5,
    moments=2,
    pool=5,
    small=Backlog(100, clients=10),
    large=Backlog(200, clients=10),
    spread=Backlog(200, clients=20),
    document_jobs=20,
    cluster_jobs=(2, 4),
    running=3,
    running_seconds=0.4,
    messages=10,
    bare_rows=200,
    growth_backlog=100,
    documents=(10, 20),
    client_counts=(1, 10),
    runner_counts=(1, 3),
    histories=(0, 20),
    changes=1,
    waiting=2,
    pollers=4,
    polled_seconds=0.4,
    load_seconds=0.1,
    idle_seconds=0.4,
    idle_rounds=1,
)
