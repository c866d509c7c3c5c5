"""The rules of the claim (contract section 5) once more, in the plainest Python: one job at a time, nothing clever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelClient:
    id: int
    priority: int
    queue_size: int | None
    is_active: bool
    runners: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ModelRunner:
    id: int
    capacity: int
    kinds: frozenset[str]
    is_open: bool


@dataclass(frozen=True)
class ModelJob:
    id: int
    client: int
    kind: str
    pipeline_priority: int
    stage_position: int
    priority: int
    may_start: bool
    """READY, its stage open, its back-off over."""
    runner: int | None = None
    """Where it is in progress."""


@dataclass
class World:
    queue_size: int
    clients: dict[int, ModelClient]
    runners: Sequence[ModelRunner]
    jobs: Sequence[ModelJob]
    claimed: list[tuple[int, int]] = field(default_factory=list)

    def claim(self) -> list[tuple[int, int]]:
        """Return which job goes to which runner, in order."""
        for job in sorted((job for job in self.jobs if job.may_start), key=self._rank):
            runner = self._runner_for(job)
            if runner is not None:
                self.claimed.append((job.id, runner))
        return self.claimed

    def _rank(self, job: ModelJob) -> tuple[int, ...]:
        client = self.clients[job.client]
        return client.priority, job.pipeline_priority, job.stage_position, job.priority, job.id

    def _runner_for(self, job: ModelJob) -> int | None:
        client = self.clients[job.client]
        if not client.is_active or self._in_use() >= self.queue_size:
            return None
        if client.queue_size is not None and self._in_use(client=client.id) >= client.queue_size:
            return None
        free = {
            runner.id: runner.capacity - self._in_use(runner=runner.id)
            for runner in self.runners
            if runner.is_open and job.kind in runner.kinds and (not client.runners or runner.id in client.runners)
        }
        with_room = [(-room, runner) for runner, room in free.items() if room > 0]
        return min(with_room)[1] if with_room else None

    def _in_use(self, *, client: int | None = None, runner: int | None = None) -> int:
        """Count what is in progress: of all, of the client, on the runner."""
        claimed = dict(self.claimed)
        return sum(
            1
            for job in self.jobs
            if (where := claimed.get(job.id, job.runner)) is not None
            and client in (None, job.client)
            and runner in (None, where)
        )
