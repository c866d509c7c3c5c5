"""A whole stack, as `make run` starts it, and what a test asks of it from outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import psycopg
import redis

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
# What belongs to the test session must not reach the stack.
_NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")

# What in its command line tells a child of the stack.
_TOLD_BY = {"web": "gunicorn", "control": ".celery.worker", "beat": ".celery.beat", "runner": "runners.agent"}

T = TypeVar("T")


def eventually(look: Callable[[], T], *, what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what `look` returns once that is true; fail after so long."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
    return found


class Stack:
    """The processes of `manage.py stack` under a VAR_DIR of their own; stopped when the context is left."""

    def __init__(self, var_dir: Path, **settings: str) -> None:
        self.var_dir = var_dir
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        self.environment = {**inherited, "VAR_DIR": str(var_dir), "PORT": str(port), **settings}
        self._extra: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.var_dir.mkdir(parents=True, exist_ok=True)
        self._log = (self.var_dir / "stack.log").open("wb")
        self._process = self._start("manage.py", "stack")
        eventually(self._is_up, what="the stack to come up")
        made = json.loads((self.var_dir / "clients" / "demo.json").read_text())
        self.client_id, self.client_secret = made["client_id"], made["client_secret"]
        self.api = self.as_client(self.client_id, self.client_secret)
        engines = json.loads((self.var_dir / "engines.json").read_text())
        self.database_url = engines["postgres"]["url"]
        self.broker_url: str = engines["redis"]["url"]
        self.broker: Any = redis.Redis.from_url(self.broker_url)
        self.broker_pid: int = engines["redis"]["pid"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.api.close()
        self.broker.close()
        for process in [*self._extra, self._process]:
            process.terminate()
        for process in [*self._extra, self._process]:
            process.wait(timeout=PATIENCE_SECONDS)
        self._log.close()

    def as_client(self, client_id: str, secret: str) -> httpx.Client:
        """Return an HTTP client that asks as the client of that id."""
        return httpx.Client(base_url=f"{self.url}/api/v1", auth=(client_id, secret), timeout=30, trust_env=False)

    def command(self, *words: str) -> dict[str, Any]:
        """Run a management command beside the stack and return the JSON it prints last."""
        result = subprocess.run(
            [sys.executable, "manage.py", *words, "--json"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return answer

    def another(self, *words: str) -> None:
        """Start one more process of the service beside the stack: a Celery worker or beat."""
        self._extra.append(self._start("-m", "celery", "-A", "taskpipeline", *words))

    def another_runner(
        self, name: str, *, token: str, broker_url: str, clock_offset_seconds: int = 0
    ) -> subprocess.Popen[bytes]:
        """Start the process of one more server runner, with a VAR_DIR of its own; its clock may be off."""
        known = {key: value for key, value in self.environment.items() if key not in ("PORT", "HOST")}
        known |= {"VAR_DIR": str(self.var_dir.parent / name), "API_URL": self.url, "RUNNER_TOKEN": token}
        words = ["-m", "tests.e2e.wrong_clock", str(clock_offset_seconds)] if clock_offset_seconds else ["manage.py"]
        process = self._start(*words, "run_runner", name, BROKER_URL=broker_url, **known)
        self._extra.append(process)
        return process

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, read from the database itself."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    def submit(self, document: Mapping[str, Any], *, api: httpx.Client | None = None) -> int:
        """Submit the document and return the pipeline's id."""
        response = (api or self.api).post("/pipelines/", json=document)
        assert response.status_code in (201, 202), response.text
        return int(response.json()["id"])

    def pipeline(self, pipeline: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.get(f"/pipelines/{pipeline}/").json()
        return answer

    def ended(self, pipeline: int, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for the end of the pipeline and return it as it then stands; the web may be away meanwhile."""
        ended = "SELECT 1 FROM pipelines_pipeline WHERE id = %s AND finished_at IS NOT NULL"
        eventually(lambda: self.query(ended, pipeline), what=f"pipeline {pipeline} to end", seconds=seconds)
        eventually(self.is_ready, what="the web to answer")
        return self.pipeline(pipeline)

    def is_ready(self) -> bool:
        """Tell whether the service says it is able to work."""
        try:
            return httpx.get(f"{self.url}/readyz/", trust_env=False, timeout=30).is_success
        except httpx.TransportError:
            return False

    def log(self, job: int, *, attempt: int | None = None) -> str:
        query = {} if attempt is None else {"attempt": attempt}
        return self.api.get(f"/jobs/{job}/log/", params=query).text

    def process_of(self, child: str) -> int:
        """Return the process id of the child (web, control, beat or runner); 0 while it is dead."""
        recorded = json.loads((self.var_dir / "stack.json").read_text())["processes"]
        return next((int(each["pid"]) for each in recorded if _TOLD_BY[child] in _command_line(each["pid"])), 0)

    def kill(self, child: str) -> None:
        """Kill the child as the kernel would when memory is short."""
        pid = self.process_of(child)
        assert pid, f"{child} is not running"
        os.kill(pid, signal.SIGKILL)

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """Keep what dies dead meanwhile: the supervisor is frozen."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment or self.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def _is_up(self) -> bool:
        assert self._process.poll() is None, (self.var_dir / "stack.log").read_text()
        return self.is_ready()


def shell(name: str, command: str = "true", *, stage: str = "run", **fields: Any) -> dict[str, Any]:
    """Return a Shell job of a document."""
    return {
        "name": name,
        "stage": stage,
        "kind": "Shell",
        "version": "1.0.0",
        "params": {"command": command},
        **fields,
    }


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
