from __future__ import annotations

from dataclasses import dataclass

from pipelines.models.job import Job
from pipelines.models.pipeline import Stage


@dataclass(frozen=True)
class Contents:
    """The stages and jobs of a pipeline, in document order."""

    stages: list[Stage]
    jobs: list[Job]
