from __future__ import annotations

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from pipelines.api.bodies import read_bounded
from runners.reports import MAX_BYTES


class BoundedJSONParser(BaseParser):
    """JSON up to MAX_BYTES and as deep as Python reads it; raises TooLarge or ParseError."""

    media_type = "application/json"
    renderer_class = JSONRenderer  # of the browsable API's form

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = read_bounded(stream, limit=MAX_BYTES)
        try:
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ParseError("The body is not JSON.") from None


def _refuse(constant: str) -> None:
    """Refuse NaN and the infinities, which Python reads but JSON has not."""
    raise ValueError(constant)
