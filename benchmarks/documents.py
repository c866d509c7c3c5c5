"""The workloads: W(P,S,J) is P pipelines of S stages of J jobs, each job the process `true`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Workload:
    """So many pipelines, of so many stages each, of so many jobs each."""

    pipelines: int
    stages: int
    jobs: int

    def __str__(self) -> str:
        return f"W({self.pipelines},{self.stages},{self.jobs})"

    @property
    def total(self) -> int:
        return self.pipelines * self.stages * self.jobs

    def document(self) -> bytes:
        """Return the document of one of its pipelines, as a client sends it."""
        return document(stages=self.stages, jobs=self.jobs)


def document(*, stages: int, jobs: int, command: Sequence[str] = ("true",)) -> bytes:
    names = [f"stage {stage}" for stage in range(stages)]
    listed = [
        _job(f"job {stage}.{job}", stage=name, command=command)
        for stage, name in enumerate(names)
        for job in range(jobs)
    ]
    return json.dumps({"name": "benchmark", "stages": names, "jobs": listed}).encode()


def _job(name: str, *, stage: str, command: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "stage": stage, "kind": "Shell", "version": "1.0.0", "params": {"command": command}}
