from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clients import rows
from pipelines.models.job import Job
from pipelines.models.pipeline import Pipeline, Stage


@dataclass(frozen=True)
class Contents:
    """The stages and jobs of a pipeline, in document order."""

    stages: list[Stage]
    jobs: list[Job]


def read_whole(statement: str, values: Mapping[str, Any]) -> list[tuple[Pipeline, Contents]]:
    """Return the pipelines that the statement returns and what is in each, in one round trip.

    A row of it is three arrays of rows in JSON, as text: one pipeline, its stages, its jobs.
    """
    return [
        (pipeline, Contents(rows.from_json(Stage, stages), rows.from_json(Job, jobs)))
        for of_one, stages, jobs in rows.ask(statement, values)
        for pipeline in rows.from_json(Pipeline, of_one)
    ]
