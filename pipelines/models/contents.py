from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from django.db.models import Model

from clients import rows
from pipelines.models.job import Job
from pipelines.models.pipeline import Pipeline, Stage


@dataclass(frozen=True)
class Contents:
    """The stages and jobs of a pipeline, in document order, as they are shown: each an object with the row's columns.

    Instances of Stage and Job are such objects; namespaces cost a tenth of what these do.
    """

    stages: list[Any]
    jobs: list[Any]


def read_whole(statement: str, values: Mapping[str, Any]) -> list[tuple[Pipeline, Contents]]:
    """Return the pipelines that the statement returns and what is in each, in one round trip.

    A row of it is three arrays of rows in JSON, as text: one pipeline, its stages, its jobs.
    """
    return [
        (rows.instance(Pipeline, pipeline), Contents(_namespaces(Stage, stages), _namespaces(Job, jobs)))
        for of_one, stages, jobs in rows.ask(statement, values)
        for pipeline in rows.from_json(Pipeline, of_one)
    ]


def _namespaces(model: type[Model], text: str | None) -> list[SimpleNamespace]:
    return [SimpleNamespace(**row) for row in rows.from_json(model, text)]
