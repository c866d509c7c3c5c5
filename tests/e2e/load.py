"""Clients that submit and look while something happens to the service, and note what becomes of their requests."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.e2e.stack import PATIENCE_SECONDS, Stack, eventually, shell

_CLIENTS = 2
_PAUSE_SECONDS = 0.02


class Load:
    """A steady stream of requests, each on a connection of its own, while the context is entered.

    A submission that got no answer is repeated with its Idempotency-Key until it has one, as a client should.
    """

    def __init__(self, stack: Stack, *, effects: Path) -> None:
        self.submitted: list[int] = []  # pipelines, as they were answered
        self.refused = 0  # nobody listened: these never reached a process
        self.cut: list[str] = []  # reached one that went away
        self.failed: list[str] = []  # answered, with what should not be
        self._stack = stack
        self._effects = effects
        self._name = secrets.token_hex(8)
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(_CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def goes_on(self) -> None:
        """Wait until some more was submitted."""
        before = len(self.submitted)
        eventually(lambda: len(self.submitted) >= before + 3 * _CLIENTS, what="more to be submitted")

    def has_work_running(self) -> None:
        """Wait until a job has just begun."""
        begun = "SELECT 1 FROM runners_attempt WHERE outcome = '' AND started_at > clock_timestamp() - interval '0.2 s'"
        eventually(lambda: self._stack.query(begun), what="a job to begin")

    def _run(self, number: int) -> None:
        count = 0
        while not self._stopped.is_set():
            count += 1
            made = self._until_answered(
                "POST", "/pipelines/", self._document(f"{number}-{count}"), key=f"{number}-{count}"
            )
            if made is not None:
                self.submitted.append(int(made["id"]))
                self._until_answered("GET", f"/pipelines/{made['id']}/")
            self._stopped.wait(_PAUSE_SECONDS)

    def _document(self, name: str) -> dict[str, Any]:
        says = 'echo {0}-{1}-begun >> "{2}"; sleep 0.5; echo {0}-{1}-done >> "{2}"'
        jobs = [shell(f"j{n}", says.format(name, n, self._effects), stage=f"s{n}") for n in range(2)]
        return {"name": name, "stages": ["s0", "s1"], "jobs": jobs}

    def _until_answered(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, *, key: str = ""
    ) -> dict[str, Any] | None:
        headers = {"Idempotency-Key": f"{self._name}-{key}"} if key else {}
        while True:
            try:
                with self._stack.as_client(self._stack.client_id, self._stack.client_secret) as api:
                    response = api.request(method, path, json=document, headers=headers)
            except httpx.ConnectError:
                self.refused += 1
            except httpx.TransportError as error:
                self.cut.append(repr(error))
            else:
                if response.status_code in (200, 201):
                    answer: dict[str, Any] = response.json()
                    return answer
                if response.status_code != 409:  # the first try is still running
                    self.failed.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
                    return None
            self._stopped.wait(_PAUSE_SECONDS)
