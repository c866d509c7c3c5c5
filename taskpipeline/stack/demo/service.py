from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from taskpipeline.stack.exceptions import StackError

TAIL_BYTES = 4096


class Service:
    """The service as a client of it sees it: a token, then the API."""

    def __init__(self, url: str, *, credentials: Path) -> None:
        # No proxy of the environment: the service is on this machine.
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self._credentials = credentials

    def __enter__(self) -> Self:
        self.log_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def log_in(self) -> None:
        """Get a token with the client's id and secret."""
        kept = json.loads(self._credentials.read_text())
        answer = self._http.post(
            "/oauth/token/",
            data={"grant_type": "client_credentials"},
            auth=(kept["client_id"], kept["client_secret"]),
        )
        token = _json(answer)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def submit(self, document: bytes) -> dict[str, Any]:
        """Submit a YAML document and return the pipeline."""
        answer = self._http.post("/api/v1/pipelines/", content=document, headers={"Content-Type": "application/yaml"})
        return _json(answer)

    def pipeline(self, number: int) -> dict[str, Any]:
        """Return the pipeline as it is now."""
        return _json(self._http.get(f"/api/v1/pipelines/{number}/"))

    def attempts(self, job: int) -> list[dict[str, Any]]:
        """Return the job's attempts, the first one first."""
        found: list[dict[str, Any]] = _json(self._http.get(f"/api/v1/jobs/{job}/attempts/"))["results"]
        return sorted(found, key=lambda attempt: int(attempt["number"]))

    def end_of_log(self, job: int, *, attempt: int) -> str:
        """Return the last lines of an attempt's log."""
        url = f"/api/v1/jobs/{job}/log/"
        size = int(_checked(self._http.get(url, params={"attempt": attempt})).headers.get("X-Log-Size", 0))
        offset = max(size - TAIL_BYTES, 0)
        return _checked(self._http.get(url, params={"attempt": attempt, "offset": offset})).text


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise StackError(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}")
    return answer


def _json(answer: httpx.Response) -> dict[str, Any]:
    content: dict[str, Any] = _checked(answer).json()
    return content
