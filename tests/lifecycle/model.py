"""What clients and operators may ask of the service, and what then stands where (contract sections 2, 5 and 6).

Refusals are returned by the name of their exception, "" for none; nothing has happened then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tests.lifecycle.attempts import Attempts
from tests.lifecycle.rows import CANCELLED, IN_PROGRESS, READY, ModelJob, ModelPipeline, ModelStage
from tests.lifecycle.settling import cancel_waiting, settle
from tests.runners.model import ModelClient, ModelRunner, World
from tests.runners.model import ModelJob as Candidate

INVALID, NEVER, FULL, TAKEN = "InvalidTransition", "NeverFits", "LimitReached", "NameTaken"


Stages = Mapping[tuple[int, str], list[dict[str, Any]]]


@dataclass
class Service:
    queue_size: int = 100
    max_ready_jobs: int | None = None
    clients: dict[int, ModelClient] = field(default_factory=dict)
    client_max_ready_jobs: dict[int, int | None] = field(default_factory=dict)
    runners: dict[int, ModelRunner] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    offline: set[int] = field(default_factory=set)
    pipelines: dict[int, ModelPipeline] = field(default_factory=dict)
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def jobs(self) -> list[ModelJob]:
        return [job for pipeline in self.pipelines.values() for job in pipeline.jobs]

    # What clients ask.

    def refuses(self, client: int, *, jobs: int) -> str:
        """Return how so many more waiting jobs of the client are refused."""
        limits = [(self.client_max_ready_jobs[client], {client}), (self.max_ready_jobs, set(self.clients))]
        held = [(limit, whose) for limit, whose in limits if limit is not None]
        if any(jobs > limit for limit, _ in held):
            return NEVER
        return FULL if any(self._waiting(whose) + jobs > limit for limit, whose in held) else ""

    def divide(self, pipeline: ModelPipeline, *, stages: Stages, now: datetime) -> None:
        """Give the pipeline its stages, by id and name in order, and their jobs."""
        pipeline.divided = True
        for position, ((pk, name), jobs) in enumerate(stages.items()):
            stage = ModelStage(pk, pipeline, name, position, opened_at=None if position else now)
            pipeline.stages.append(stage)
            for fields in jobs:
                stage.add(**fields)

    def refuses_job(self, pipeline: ModelPipeline, *, stage: str, name: str) -> str:
        """Return how one more job of the stage is refused."""
        if refusal := self.refuses(pipeline.client, jobs=1):
            return refusal
        if not pipeline.is_unfinished or pipeline.is_stopped or not pipeline.divided:
            return INVALID
        (found,) = [each for each in pipeline.stages if each.name == stage]
        if not found.is_unfinished:
            return INVALID
        return TAKEN if any(job.name == name for job in pipeline.jobs) else ""

    def delete(self, job: ModelJob, *, now: datetime) -> str:
        if len(job.stage.jobs) == 1 or job.state != READY or job.attempt:
            return INVALID
        job.stage.jobs.remove(job)
        settle(job.pipeline, now=now)
        return ""

    def edit(self, job: ModelJob, values: Mapping[str, Any]) -> str:
        if job.state != READY:
            return INVALID
        for name, value in values.items():
            setattr(job, name, value)
        return ""

    def edit_pipeline(self, pipeline: ModelPipeline, *, priority: int) -> str:
        if not pipeline.is_unfinished:
            return INVALID
        pipeline.priority = priority
        return ""

    def cancel(self, job: ModelJob, *, now: datetime) -> str:
        if job.state == READY:
            job.cancel(reason="cancelled")
            settle(job.pipeline, now=now)
        elif job.state == IN_PROGRESS:
            job.cancel_requested = True
        return "" if job.is_unfinished or job.state == CANCELLED else INVALID

    def cancel_pipeline(self, pipeline: ModelPipeline, *, now: datetime) -> str:
        if not pipeline.is_unfinished:
            return "" if pipeline.state == CANCELLED else INVALID
        pipeline.cancel_requested = True
        cancel_waiting(pipeline, reason="pipeline_cancelled")
        for job in pipeline.jobs:
            if job.state == IN_PROGRESS:
                job.cancel_requested = True
        if pipeline.divided:
            settle(pipeline, now=now)
        else:
            pipeline.move(CANCELLED)
        return ""

    # What the service does of itself.

    def claim(self, *, names: Mapping[int, str], now: datetime) -> None:
        """Hand out what may start; `names` are the runners'."""
        where = {attempt.job.id: attempt.runner for attempt in self.attempts.live}
        jobs = {job.id: job for job in self.jobs}
        world = World(
            queue_size=self.queue_size,
            clients=self.clients,
            runners=[replace(r, is_open=r.id not in self.paused | self.offline) for r in self.runners.values()],
            jobs=[_candidate(job, where=where.get(job.id), now=now) for job in jobs.values()],
        )
        for job, runner in world.claim():
            self.attempts.hand_out(jobs[job], runner=runner, runner_name=names[runner], now=now)

    def _waiting(self, clients: Iterable[int]) -> int:
        ready = sum(1 for job in self.jobs if job.state == READY and job.pipeline.client in clients)
        undivided = [p for p in self.pipelines.values() if not p.divided and p.is_unfinished and p.client in clients]
        return ready + sum(pipeline.declared_jobs for pipeline in undivided)


def _candidate(job: ModelJob, *, where: int | None, now: datetime) -> Candidate:
    return Candidate(
        id=job.id,
        client=job.pipeline.client,
        kind=job.kind,
        pipeline_priority=job.pipeline.priority,
        stage_position=job.stage.position,
        priority=job.priority,
        may_start=job.may_start(now),
        runner=where,
    )
