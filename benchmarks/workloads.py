"""Whole workloads, ours and as Celery canvas: jobs a second, and what a job costs."""

from __future__ import annotations

import os
import resource

from benchmarks.checking import check
from benchmarks.documents import Workload
from benchmarks.ground import Ground
from benchmarks.rows import Outcome, compare, figure, interleave
from benchmarks.scale import Scale
from benchmarks.stack import Stack
from benchmarks.targets import CPU, THROUGHPUT, WIDE_THROUGHPUT


class Ours:
    """A workload as the service does it, and what it costs."""

    def __init__(self, stack: Stack, *, workload: Workload) -> None:
        self.stack = stack
        self.workload = workload
        self.cpu: list[float] = []  # seconds of ours per 1,000 jobs, one a run
        self.parts: dict[str, list[float]] = {}  # the same of each part

    def run(self) -> float:
        """Run it and return the jobs a second."""
        self.stack.forget()
        before, parts = self.stack.cpu_seconds(), self.stack.cpu_by_part()
        seconds = self.stack.run(self.workload)
        self.cpu.append((self.stack.cpu_seconds() - before) * 1000 / self.workload.total)
        for part, used in self.stack.cpu_by_part().items():
            self.parts.setdefault(part, []).append((used - parts[part]) * 1000 / self.workload.total)
        check(self.workload, ran=self.stack.ran())
        return self.workload.total / seconds


class Sides:
    """The same workload on both sides, and the floor of its cost."""

    def __init__(self, ground: Ground, *, workload: Workload, spawns: int = 1) -> None:
        self.here, self.canvas = Ours(ground.stack, workload=workload), ground.canvas
        self.workload = workload
        self.spawns = spawns

    def ours(self) -> float:
        return self.here.run()

    def theirs(self) -> float:
        """Run it as canvas and return the jobs a second."""
        self.canvas.forget()
        seconds = self.canvas.run(self.workload)
        check(self.workload, ran=self.canvas.ran())
        return self.workload.total / seconds

    def chains(self) -> float:
        """Run it as chains of groups and return the jobs a second."""
        self.canvas.forget()
        seconds = self.canvas.run_as_chains(self.workload)
        check(self.workload, ran=self.canvas.ran())
        return self.workload.total / seconds

    def floor(self) -> float:
        """Return the CPU seconds of starting and reaping `true` 1,000 times, both sides of the fork."""
        before = _used()
        for _ in range(self.spawns):
            os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
        return (_used() - before) * 1000 / self.spawns

    def warm_up(self) -> None:
        """Run once untimed: the first run loads what later ones find loaded."""
        self.ours()
        self.theirs()
        self.here.cpu.clear()
        self.here.parts.clear()


def many(ground: Ground, scale: Scale) -> Outcome:
    """W(50,4,25), and the CPU that all processes used for it."""
    sides = Sides(ground, workload=scale.many, spawns=scale.spawns)
    sides.warm_up()
    ours, theirs, chains, floor = interleave(scale.rounds, sides.ours, sides.theirs, sides.chains, sides.floor)
    short = Sides(ground, workload=scale.short)
    mine, others = interleave(scale.rounds, short.ours, short.theirs)
    return Outcome(
        [
            compare(THROUGHPUT, ours=ours, baseline=theirs, measured=scale.note(scale.many)),
            compare(CPU, ours=sides.here.cpu, baseline=floor, measured=scale.note(scale.many)),
        ],
        [
            figure("the same as one Celery chain a pipeline", values=chains, unit="jobs/s"),
            figure(str(scale.short), values=mine, unit="jobs/s"),
            figure(f"{scale.short} as Celery canvas", values=others, unit="jobs/s"),
            *(
                figure(f"CPU per 1,000 jobs: {part}", values=values, unit="s")
                for part, values in sides.here.parts.items()
            ),
        ],
    )


def wide(ground: Ground, scale: Scale) -> Outcome:
    """W(1,2,5000)."""
    sides = Sides(ground, workload=scale.wide)
    ours, theirs = interleave(scale.rounds, sides.ours, sides.theirs)
    return Outcome([compare(WIDE_THROUGHPUT, ours=ours, baseline=theirs, measured=scale.note(scale.wide))])


def _used() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
