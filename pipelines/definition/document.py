"""The pipeline document once it has been read and found valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson


class JobSpec(NamedTuple):
    """A job as its document declares it, its kind's version resolved and pinned."""

    name: str
    params: Mapping[str, Any]
    """As given: what was left out stays out, so that the kind decides when the job is executed."""
    stage: str
    kind: str
    version: str
    priority: int = 10
    retry_attempt: int = 0
    allow_failure: bool = False
    timeout: int | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, kind={self.kind!r}, version={self.version!r})"


OWN, SHARED = JobSpec._fields[:2], JobSpec._fields[2:]
"""The fields in which the jobs of a document differ, and those in which most of a large one are alike."""


def columns_of(jobs: Sequence[JobSpec]) -> dict[str, Any]:
    """Return the jobs as the database takes them (pipelines.inserts): column by column, what they share only once.

    `alike` numbers, for each job, its entry among the `shared` ones.
    """
    numbers: dict[tuple[Any, ...], int] = {}
    alike = [numbers.setdefault(job[len(OWN) :], len(numbers)) for job in jobs]
    own = zip(OWN, ([job[place] for job in jobs] for place in range(len(OWN))), strict=True)
    return {**dict(own), "alike": alike, "shared": [dict(zip(SHARED, each, strict=True)) for each in numbers]}


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
        return orjson.dumps({"stages": self.stages, **columns_of(self.jobs)})
