"""What the model keeps of pipelines, stages, jobs and attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

READY, IN_PROGRESS, DONE, CANCELLED, ERROR = "READY", "IN_PROGRESS", "DONE", "CANCELLED", "ERROR"
UNFINISHED = (READY, IN_PROGRESS)


@dataclass(eq=False)
class Thing:
    """What has a state, and had others before."""

    id: int
    history: list[str] = field(default_factory=lambda: [READY], kw_only=True)

    @property
    def state(self) -> str:
        return self.history[-1]

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED

    def move(self, state: str) -> None:
        self.history.append(state)


@dataclass(eq=False)
class ModelJob(Thing):
    stage: ModelStage
    name: str
    kind: str
    priority: int
    retry_attempt: int
    allow_failure: bool
    timeout: int | None
    eligible_at: datetime | None = None
    back_off: tuple[datetime, datetime] | None = None
    """Between when and when it may start again; its row tells, because of the jitter."""
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    unstarted: int = 0
    progress: int = 0
    reason: str = ""
    runner: str = ""
    cancel_requested: bool = False

    @property
    def pipeline(self) -> ModelPipeline:
        return self.stage.pipeline

    @property
    def rank(self) -> int:
        """Return the priority of its pipeline; for what has ended nobody keeps it up to date."""
        return self.pipeline.priority if self.is_unfinished else 0

    def cancel(self, *, reason: str) -> None:
        self.move(CANCELLED)
        self.reason = reason

    def may_start(self, now: datetime) -> bool:
        return self.state == READY and self.eligible_at is not None and self.eligible_at <= now


@dataclass(eq=False)
class ModelStage(Thing):
    pipeline: ModelPipeline
    name: str
    position: int
    jobs: list[ModelJob] = field(default_factory=list)
    opened_at: datetime | None = None
    warnings: int = 0

    def add(self, **fields: Any) -> None:
        """Give the stage one more job, eligible at once if it is open."""
        self.jobs.append(ModelJob(stage=self, eligible_at=self.opened_at, **fields))


@dataclass(eq=False)
class ModelPipeline(Thing):
    client: int
    priority: int
    declared_jobs: int
    divided: bool = False
    stages: list[ModelStage] = field(default_factory=list)
    warnings: int = 0
    stopped: bool = False
    cancel_requested: bool = False

    @property
    def jobs(self) -> list[ModelJob]:
        return [job for stage in self.stages for job in stage.jobs]

    @property
    def is_stopped(self) -> bool:
        return self.stopped or self.cancel_requested


@dataclass(eq=False)
class ModelAttempt:
    job: ModelJob
    number: int
    runner: int
    lease_until: datetime
    worker: str = ""
    started: bool = False
    deadline_at: datetime | None = None
    stop_reason: str = ""
    stop_by: datetime | None = None
    outcome: str = ""
    reason: str = ""
    recorded: tuple[str, str] | None = None
    """Outcome and reason as its runner reported them: the same once more is answered as the first time."""

    def is_over(self) -> bool:
        return bool(self.outcome)
