"""The reports API, over one kept connection."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from runners.agent.protocol import REPORTS_PATH


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one POST; without `results` it did not do what it should."""

    sent_at: float  # monotonic: leases count from here, not from when the answer came
    status: int | None = None
    results: Sequence[dict[str, Any]] | None = None
    drain: bool = False
    retry_after: float | None = None
    error: str = ""


class Api:
    """Posts batches of reports; http.client, because a thread with one connection needs no more."""

    def __init__(self, url: str, *, token: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
        self._path = parts.path.rstrip("/") + REPORTS_PATH
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def set_timeout(self, seconds: float) -> None:
        """Give up on an answer after this time, from the next POST on."""
        if self._connection.timeout != seconds:
            self._connection.timeout = seconds
            if self._connection.sock is not None:
                self._connection.sock.settimeout(seconds)

    def close(self) -> None:
        self._connection.close()

    def post(self, body: bytes, *, count: int) -> Reply:
        """Post a batch of `count` reports; never raises for what a network or a server can do."""
        was_open = self._connection.sock is not None
        sent_at = time.monotonic()
        try:
            return self._post(body, count=count, sent_at=sent_at)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            if was_open and isinstance(error, ConnectionError):
                # The server closed the idle connection while we sent; reports may be said twice.
                return self.post(body, count=count)
            return Reply(sent_at=sent_at, error=f"{type(error).__name__}: {error}")

    def _post(self, body: bytes, *, count: int, sent_at: float) -> Reply:
        self._connection.request("POST", self._path, body=body, headers=self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != http.HTTPStatus.OK:
            return Reply(
                sent_at=sent_at,
                status=response.status,
                retry_after=_seconds(response.getheader("Retry-After")),
                error=f"HTTP {response.status}",
            )
        answer = orjson.loads(content)
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or len(results) != count or not all(isinstance(r, dict) for r in results):
            return Reply(sent_at=sent_at, status=response.status, error="not an answer of the reports API")
        return Reply(sent_at=sent_at, status=response.status, results=results, drain=answer.get("drain") is True)


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isdigit() else None
