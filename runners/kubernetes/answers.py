"""What a refusal of the API means: from HTTP status and Status object to one of our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from runners.kubernetes.exceptions import (
    AlreadyThere,
    BadRequest,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)

MAX_MESSAGE = 2000
MAX_CAUSES = 20

# What the store behind the API server says of an object that is larger than it takes; the status is 500.
_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")
_DENIED = re.compile(r'admission webhook ".*" denied the request')

_BY_STATUS: dict[int, type[ClusterError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def refusal(status: int, *, headers: Mapping[str, str], body: str) -> ClusterError:
    """The error that a refusal is; its message is the server's own, bounded."""
    said = _status_object(body)
    reason = _text(said.get("reason"))
    details = said.get("details")
    details = details if isinstance(details, dict) else {}
    causes = details.get("causes")
    message = _text(said.get("message"))
    return _kind(status, reason=reason, message=message)(
        message or f"The API server answered with HTTP status {status}.",
        status=status or None,
        is_told=bool(said),
        api_reason=reason,
        what=_text(details.get("kind")),
        causes=[
            {key: _text(value) for key, value in cause.items()}
            for cause in (causes if isinstance(causes, list) else [])[:MAX_CAUSES]
            if isinstance(cause, dict)
        ],
        retry_after_seconds=_retry_after(headers.get("Retry-After"), details.get("retryAfterSeconds")),
    )


def _kind(status: int, *, reason: str, message: str) -> type[ClusterError]:
    if status == 0:
        return Unreachable
    if status == 413 or any(words in message for words in _TOO_LARGE):
        return Invalid
    if _DENIED.search(message):  # with whatever status the webhook chose, 404 and 500 included
        return Forbidden
    if status == 409 and reason == "AlreadyExists":
        return AlreadyThere
    if status >= 500 or 300 <= status < 400:  # a redirect comes from something else than an API server
        return ServerFault
    return _BY_STATUS.get(status, ClusterError)


def _status_object(body: str) -> dict[str, object]:
    """A proxy in between answers with a page of its own, which says nothing to us."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) and said.get("kind") == "Status" else {}


def _retry_after(*values: object) -> float | None:
    for value in values:
        try:
            seconds = float(str(value))
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    header = values[0]
    try:
        at = parsedate_to_datetime(str(header)) if header else None
    except ValueError:
        return None
    if at is None:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _text(value: object) -> str:
    return value[:MAX_MESSAGE] if isinstance(value, str) else ""
