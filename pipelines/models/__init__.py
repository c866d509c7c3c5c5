from __future__ import annotations

from pipelines.models.event import Event
from pipelines.models.job import Job
from pipelines.models.pipeline import Pipeline, Stage
from pipelines.models.submission import IdempotencyKey, Submission

__all__ = ["Event", "IdempotencyKey", "Job", "Pipeline", "Stage", "Submission"]
