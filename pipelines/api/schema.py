"""What the OpenAPI document says of bodies that the domain reads itself."""

from __future__ import annotations

from typing import Any

_MEDIA_TYPES = ("application/json", "application/yaml", "application/x-yaml", "text/yaml")


def _object(description: str) -> dict[str, Any]:
    body = {"type": "object", "additionalProperties": True, "description": description}
    return dict.fromkeys(_MEDIA_TYPES, body)


DOCUMENT = _object("A pipeline document; `kinds/schema/` is the JSON Schema of it.")
PIPELINE_CHANGES = _object("`name`, `priority`, `labels`: those that change.")
NEW_JOB = _object("The document's fields of a job, and `pipeline`: the id of the pipeline it is added to.")
JOB_CHANGES = _object("`priority`, `params`, `retry_attempt`, `allow_failure`, `timeout`: those that change.")
