"""Pipelines as a list shows them, by plain SQL: of fifty models a page Django makes more work than the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from clients import rows
from clients.models import Client
from pipelines.api.serializers import PipelineSummarySerializer, progress
from pipelines.models import Pipeline
from pipelines.states import FINISHED, State

_COUNT = "count(*) AS total, count(*) FILTER (WHERE state = ANY(%(finished)s)) AS ended"
# What is shown otherwise than the pipeline's column of that name. Labels are JSON, and progress follows from the two
# counts that stand behind the fields.
_SHOWN = {"client": "client.client_id", "progress": "NULL", "rerun_of": "pipeline.rerun_of_id"}
_FIELDS = PipelineSummarySerializer.Meta.fields
# Materialized: all jobs are counted in one go, whatever the planner takes a page to be.
_SUMMARIES = f"""
WITH wanted AS MATERIALIZED ({{wanted}}),
    jobs AS MATERIALIZED (
        SELECT pipeline_id, {_COUNT} FROM pipelines_job
        WHERE pipeline_id = ANY(ARRAY(SELECT id FROM wanted WHERE state = 'IN_PROGRESS'))
        GROUP BY pipeline_id
    )
SELECT {", ".join(_SHOWN.get(name, f"pipeline.{name}") for name in _FIELDS)}, jobs.total, jobs.ended
FROM wanted AS pipeline
JOIN clients_client AS client ON client.id = pipeline.client_id
LEFT JOIN jobs ON jobs.pipeline_id = pipeline.id
ORDER BY pipeline.place
"""  # noqa: S608  # names of columns
_THESE = _SUMMARIES.format(
    wanted="SELECT pipelines_pipeline.*, place FROM pipelines_pipeline"
    " JOIN unnest(%(ids)s::bigint[]) WITH ORDINALITY AS given (id, place) USING (id)"
)
_NEWEST = _SUMMARIES.format(
    wanted="SELECT *, -id AS place FROM pipelines_pipeline WHERE client_id = %(client)s"
    " ORDER BY id DESC LIMIT %(at_most)s"
)
_COUNTS = f"SELECT pipeline_id, {_COUNT} FROM pipelines_job WHERE pipeline_id = ANY(%(ids)s) GROUP BY pipeline_id"  # noqa: S608
_FINISHED = [str(state) for state in FINISHED]


def summaries(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return the pipelines that are still there, in the order of their ids, as PipelineSummarySerializer shows them."""
    return [_shown(row) for row in rows.ask(_THESE, {"ids": ids, "finished": _FINISHED})]


def newest(client: Client, *, at_most: int) -> list[dict[str, Any]]:
    """Return so many of the client's newest pipelines likewise, in one query with the choice of them."""
    values = {"client": client.pk, "at_most": at_most, "finished": _FINISHED}
    return [_shown(row) for row in rows.ask(_NEWEST, values)]


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    shown = dict(zip(_FIELDS, row, strict=False))
    shown["labels"] = orjson.loads(shown["labels"])
    shown["progress"] = progress(shown["state"], total=row[-2], ended=row[-1])
    return shown


def job_counts(pipelines: Iterable[Pipeline]) -> dict[int, tuple[int, int]]:
    """Return how many jobs each pipeline at work has and how many have ended, in one query."""
    at_work = [pipeline.pk for pipeline in pipelines if pipeline.state == State.IN_PROGRESS]
    if not at_work:
        return {}
    counted = rows.ask(_COUNTS, {"ids": at_work, "finished": _FINISHED})
    return {pipeline: (total, ended) for pipeline, total, ended in counted}
