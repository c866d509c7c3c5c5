"""What the OpenAPI document says of bodies that the domain reads itself."""

from __future__ import annotations

from typing import Any

_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
DOCUMENT: dict[str, Any] = dict.fromkeys(
    ("application/json", "application/yaml", "application/x-yaml", "text/yaml"), _OBJECT
)
