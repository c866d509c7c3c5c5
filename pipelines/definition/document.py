"""The pipeline document once it has been read and found valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job as its document declares it, its kind's version resolved and pinned."""

    name: str
    stage: str
    kind: str
    version: str
    params: Mapping[str, Any] = field(repr=False)
    """As given: what was left out stays out, so that the kind decides when the job is executed."""
    priority: int = 10
    retry_attempt: int = 0
    allow_failure: bool = False
    timeout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A valid pipeline: its stages in order, its jobs in document order."""

    stages: tuple[str, ...]
    jobs: tuple[JobSpec, ...]
    labels: Mapping[str, str]
    name: str = ""
    priority: int = 10
    callback_url: str = ""

    def to_json(self) -> bytes:
        """Return the stages and jobs as JSON, to be kept until they are made (pipelines.division)."""
        return orjson.dumps({"stages": self.stages, "jobs": self.jobs})
