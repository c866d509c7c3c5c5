"""The pipeline document once it has been read and found valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain JSON values, to be kept until it is divided."""
        return {
            "name": self.name,
            "priority": self.priority,
            "labels": self.labels,
            "callback_url": self.callback_url,
            "stages": self.stages,
            "jobs": [
                {
                    "name": job.name,
                    "stage": job.stage,
                    "kind": job.kind,
                    "version": job.version,
                    "params": job.params,
                    "priority": job.priority,
                    "retry_attempt": job.retry_attempt,
                    "allow_failure": job.allow_failure,
                    "timeout": job.timeout,
                }
                for job in self.jobs
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Document:
        """Return the document of which `to_json` made this, trusting it: nothing is validated again.

        Raise KeyError or TypeError if it is something else.
        """
        return cls(
            stages=tuple(stored["stages"]),
            jobs=tuple(JobSpec(**job) for job in stored["jobs"]),
            labels=stored["labels"],
            name=stored["name"],
            priority=stored["priority"],
            callback_url=stored["callback_url"],
        )
