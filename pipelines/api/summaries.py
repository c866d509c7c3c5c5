"""Pipelines as a list shows them, by plain SQL: of fifty models a page Django makes more work than the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from clients import rows
from clients.models import Client
from pipelines.api.serializers import PipelineSummarySerializer
from pipelines.models import progress

# What is shown otherwise than the pipeline's column of that name. Labels are JSON, and progress follows from the two
# counts that stand behind the fields.
_SHOWN = {"client": "client.client_id", "progress": "NULL", "rerun_of": "pipeline.rerun_of_id"}
_FIELDS = PipelineSummarySerializer.Meta.fields
_SUMMARIES = f"""
SELECT {", ".join(_SHOWN.get(name, f"pipeline.{name}") for name in _FIELDS)},
    pipeline.declared_jobs, pipeline.ended_jobs
FROM ({{wanted}}) AS pipeline
JOIN clients_client AS client ON client.id = pipeline.client_id
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


def summaries(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return the pipelines that are still there, in the order of their ids, as PipelineSummarySerializer shows them."""
    return [_shown(row) for row in rows.ask(_THESE, {"ids": ids})]


def newest(client: Client, *, at_most: int) -> list[dict[str, Any]]:
    """Return so many of the client's newest pipelines likewise, in one query with the choice of them."""
    return [_shown(row) for row in rows.ask(_NEWEST, {"client": client.pk, "at_most": at_most})]


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    shown = dict(zip(_FIELDS, row, strict=False))
    shown["labels"] = orjson.loads(shown["labels"])
    shown["progress"] = progress(shown["state"], jobs=row[-2], ended=row[-1])
    return shown
