"""What the OpenAPI document says beside what the views say themselves."""

from __future__ import annotations

from typing import Any

from taskpipeline.api.problems import MEDIA_TYPE

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every mistake in what was sent, in order; at most 100.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                    "line": {"type": "integer", "description": "Of YAML, from 1."},
                    "column": {"type": "integer", "description": "Of YAML, from 1."},
                },
            },
        },
        "errors_omitted": {"type": "integer", "description": "How many more mistakes there are."},
        "scope": {
            "type": "string",
            "enum": ["client", "service", "pipeline"],
            "description": "429, 503, 422: whose limit it is.",
        },
        "limit": {"type": "integer"},
        "in_use": {"type": "integer"},
        "requested": {"type": "integer"},
    },
}


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Say of every operation how its errors look (a postprocessing hook of drf-spectacular)."""
    result["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for status in [status for status in responses if status >= "400"]:
                responses[status]["content"] |= content  # a view that has another form for some has this one too
            responses["default"] = {"description": "Any error.", "content": content}
    return result
