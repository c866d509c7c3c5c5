"""Clients who submit pipelines one after the other, cancel some, and put up with a service that is away."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Any

import httpx

from tests.chaos import ledger
from tests.e2e.stack import Stack, shell

_AGAIN_SECONDS = 0.3
_PAUSE_SECONDS = (1.0, 2.0)
_PATIENCE_SECONDS = 120.0


def document(chance: random.Random, *, name: str, ledger_file: str) -> dict[str, Any]:
    """Return a pipeline of one or two stages: jobs that succeed, fail first, fail, take long or too long."""
    stages = [f"s{position}" for position in range(chance.randint(1, 2))]
    jobs = []
    for stage in stages:
        for number in range(chance.randint(1, 3)):
            command, fields = chance.choice(_KINDS)(chance)
            job = shell(f"{stage}.{number}", stage=stage, priority=chance.randint(0, 20), **fields)
            job["params"] = {"command": command, "env": {"LEDGER": ledger_file}}
            jobs.append(job)
    return {"name": name, "stages": stages, "jobs": jobs, "priority": chance.randint(0, 20)}


def _works(chance: random.Random) -> tuple[list[str], dict[str, Any]]:
    return ledger.command(chance.randint(0, 4)), {}


def _takes_long(chance: random.Random) -> tuple[list[str], dict[str, Any]]:
    return ledger.command(chance.randint(25, 40)), {"retry_attempt": 1}


def _fails_first(chance: random.Random) -> tuple[list[str], dict[str, Any]]:
    return ledger.command(1, fails_until_attempt=1), {"retry_attempt": 2}


def _fails(chance: random.Random) -> tuple[list[str], dict[str, Any]]:
    fields = {"retry_attempt": chance.randint(0, 1), "allow_failure": chance.random() < 0.7}
    return ledger.command(0, exit_code=3), fields


def _takes_too_long(chance: random.Random) -> tuple[list[str], dict[str, Any]]:
    return ledger.command(200), {"timeout": 1, "allow_failure": True}


_KINDS = [_works, _works, _works, _takes_long, _fails_first, _fails, _takes_too_long]


class Submitter:
    """One client, in a thread of its own."""

    def __init__(self, stack: Stack, *, name: str, api: httpx.Client, seed: int, ledger_file: str) -> None:
        self.names: list[str] = []
        self.errors: list[str] = []
        self._api = api
        self._name = name
        self._chance = random.Random(f"{name} {seed}")
        self._ledger_file = ledger_file
        self._stopped = threading.Event()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it come to the end of what it is at."""
        self._stopped.set()
        self._thread.join(_PATIENCE_SECONDS)
        if self._thread.is_alive():
            self.errors.append(f"{self._name} is still at {self.names[-1:]}")

    def abandon(self) -> None:
        """Leave it all: nobody will look at it."""
        self._stopped.set()
        self._abandoned.set()
        self._thread.join(_PATIENCE_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            name = f"{self._name} {len(self.names)}"
            self.names.append(name)
            wanted = document(self._chance, name=name, ledger_file=self._ledger_file)
            # Some say it twice, as who has lost the answer to the first.
            for _ in range(self._chance.choice((1, 1, 2))):
                made = self._insist("POST", "/pipelines/", json=wanted, headers={"Idempotency-Key": name})
            wish = self._chance.random()
            self._stopped.wait(self._chance.uniform(*_PAUSE_SECONDS))
            if made is not None and wish < 0.15:
                self._insist("POST", f"/pipelines/{made['id']}/cancel/")
            elif made is not None and wish < 0.3:
                self._cancel_a_job(made["id"])

    def _cancel_a_job(self, pipeline: int) -> None:
        jobs = self._insist("GET", f"/jobs/?pipeline={pipeline}")
        if jobs is not None and jobs["results"]:
            self._insist("POST", f"/jobs/{self._chance.choice(jobs['results'])['id']}/cancel/")

    def _insist(self, method: str, path: str, **arguments: Any) -> dict[str, Any] | None:
        """Ask until there is an answer that counts; return it, or None for a refusal that is none of a fault's."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until and not self._abandoned.is_set():
            with contextlib.suppress(httpx.TransportError):
                response = self._api.request(method, path, **arguments)
                if response.is_success:
                    answer: dict[str, Any] = response.json()
                    return answer
                if response.status_code == 409 and "cancel" in path:
                    return None  # it has ended already
                if response.status_code not in (409, 429) and response.status_code < 500:
                    self.errors.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
                    return None
            time.sleep(_AGAIN_SECONDS)
        self.errors.append(f"{method} {path}: no answer for {_PATIENCE_SECONDS:.0f} s")
        return None
