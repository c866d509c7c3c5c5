from __future__ import annotations

from pipelines.models.contents import Contents, read_whole
from pipelines.models.event import Event
from pipelines.models.job import Job
from pipelines.models.pipeline import Pipeline, Stage, progress
from pipelines.models.submission import IdempotencyKey, Submission

__all__ = ["Contents", "Event", "IdempotencyKey", "Job", "Pipeline", "Stage", "Submission", "progress", "read_whole"]
