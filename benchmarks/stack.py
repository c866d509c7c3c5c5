"""The stack under test: all of the service, as `make run` starts it, under a VAR_DIR of its own."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks import processes
from benchmarks.checking import Ran
from benchmarks.connection import Address, Connection, ask_json
from benchmarks.documents import Workload
from benchmarks.programs import NotReady, environment, eventually, free_port, running

# A pool that is never the limit: what the service can do is asked for, not what it was told to keep to.
SETTINGS = {"QUEUE_SIZE": "800", "RUNNER_CAPACITY": "400"}
CHILDREN = ("web", "control", "beat", "runner")
API = "/api/v1"
UNFINISHED = f"{API}/pipelines/?state=READY&state=IN_PROGRESS&page_size=1"

# Pipelines and stages are numbered by the ids that the database gave them, so each stage's position is asked for.
_RAN = """
SELECT job.pipeline_id, stage.position, job.id,
       extract(epoch FROM attempt.started_at)::float, extract(epoch FROM attempt.finished_at)::float
FROM pipelines_job AS job
JOIN pipelines_stage AS stage ON stage.id = job.stage_id
JOIN runners_attempt AS attempt ON attempt.job_id = job.id
WHERE job.state = 'DONE' AND attempt.outcome = 'succeeded' AND attempt.exit_code = 0
"""


class Stack:
    """A stack that is up; `cpu_seconds` and `memory_mib` tell what all its processes have used."""

    def __init__(self, *, pid: int, address: Address, var_dir: Path) -> None:
        self.pid = pid
        self.address = address
        self.var_dir = var_dir
        engines = json.loads((var_dir / "engines.json").read_text())
        self.database_url: str = engines["postgres"]["url"]
        children = json.loads((var_dir / "stack.json").read_text())["processes"]  # in the order of their start
        self._engines: dict[str, int] = {name: engine["pid"] for name, engine in engines.items()}
        self._children: dict[str, int] = {name: child["pid"] for name, child in zip(CHILDREN, children, strict=True)}
        made = json.loads((var_dir / "clients" / "demo.json").read_text())
        self._token = _token(address, client=made["client_id"], secret=made["client_secret"])
        self.connection = Connection(address)

    def request(self, method: str, path: str, *, body: bytes = b"") -> bytes:
        """Return a prepared request of the demo client."""
        return self.address.request(method, path, body=body, token=self._token)

    def ask(self, method: str, path: str, *, body: bytes = b"") -> Any:
        return ask_json(self.connection, self.request(method, path, body=body))

    def submit(self, document: bytes) -> int:
        return int(self.ask("POST", f"{API}/pipelines/", body=document)["id"])

    def pipeline(self, pipeline: int) -> dict[str, Any]:
        shown: dict[str, Any] = self.ask("GET", f"{API}/pipelines/{pipeline}/")
        return shown

    def await_all_final(self, *, since: float) -> None:
        """Return once the API shows no unfinished pipeline.

        It is asked every fiftieth of the time that has passed, so that asking neither costs much nor adds much.
        """
        unfinished = self.request("GET", UNFINISHED)
        while ask_json(self.connection, unfinished)["results"]:
            time.sleep(min(0.5, max(0.01, (time.perf_counter() - since) / 50)))

    def run(self, workload: Workload) -> float:
        """Submit the workload and return the seconds until its last job is final in the API."""
        posted = self.request("POST", f"{API}/pipelines/", body=workload.document())
        began = time.perf_counter()
        for _ in range(workload.pipelines):
            self.connection.ask(posted)
        self.await_all_final(since=began)
        return time.perf_counter() - began

    def ran(self) -> list[Ran]:
        """Return every execution that succeeded, by the database's clock."""
        return [Ran(*row) for row in self.query(_RAN)]

    def forget(self) -> None:
        """Remove all pipelines, so that each run begins alike."""
        eventually(lambda: not self._live(), what="the last attempts to be over")
        eventually(self._is_emptied, what="the tables to be free")

    def _is_emptied(self) -> bool:
        """Empty the tables; a round that reads some of them meanwhile may be in the way."""
        try:
            self.query("TRUNCATE pipelines_pipeline, pipelines_stage, pipelines_job, pipelines_event CASCADE")
        except psycopg.errors.DeadlockDetected:
            return False
        return True

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def cpu_seconds(self) -> float:
        """Return what all processes have used so far, the engines and the jobs included."""
        return processes.cpu_seconds(self.pid)

    def cpu_by_part(self) -> dict[str, float]:
        """Return what each part has used so far; the jobs count as the runner's."""
        return {name: processes.cpu_seconds(pid) for name, pid in (self._children | self._engines).items()}

    def memory_mib(self) -> float:
        """Return the memory of all processes but the engines."""
        engines = {pid for engine in self._engines.values() for pid in processes.family(engine)}
        return processes.memory_bytes(processes.family(self.pid) - engines) / 2**20

    def memory_by_part(self) -> dict[str, float]:
        """Return the memory of each part, in MiB."""
        parts = {name: processes.family(pid) for name, pid in self._children.items()} | {"supervisor": {self.pid}}
        return {name: processes.memory_bytes(pids) / 2**20 for name, pids in parts.items()}

    def close(self) -> None:
        self.connection.close()

    def _live(self) -> bool:
        return bool(self.query("SELECT 1 FROM runners_attempt WHERE outcome = '' LIMIT 1"))


@contextmanager
def started(var_dir: Path, **settings: str) -> Iterator[Stack]:
    """Start the stack, and stop it at the end."""
    var_dir.mkdir(parents=True, exist_ok=True)
    log = var_dir / "stack.log"
    address = Address("127.0.0.1", free_port())
    env = environment(VAR_DIR=str(var_dir), PORT=str(address.port), **{**SETTINGS, **settings})
    with running("manage.py", "stack", env=env, log=log) as process:

        def is_up() -> bool:
            if process.poll() is not None:
                raise NotReady(f"the stack ended; the end of {log}:\n{log.read_text()[-2000:]}")
            return _answers(address)

        eventually(is_up, what="the stack to come up", pause=0.1)
        stack = Stack(pid=process.pid, address=address, var_dir=var_dir)
        try:
            eventually(lambda: _runner_is_online(stack), what="the runner to come online")
            yield stack
        finally:
            stack.close()


def seconds_of(time_: str) -> float:
    """Return a time as the API writes it as seconds since the epoch."""
    return datetime.fromisoformat(time_).timestamp()


def _answers(address: Address) -> bool:
    try:
        return httpx.get(f"http://{address.host}:{address.port}/readyz/", trust_env=False, timeout=30).is_success
    except httpx.TransportError:
        return False


def _runner_is_online(stack: Stack) -> bool:
    return bool(stack.query("SELECT 1 FROM runners_runner WHERE seen_at IS NOT NULL"))


def _token(address: Address, *, client: str, secret: str) -> str:
    answer = httpx.post(
        f"http://{address.host}:{address.port}/oauth/token/",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {b64encode(f'{client}:{secret}'.encode()).decode()}"},
        trust_env=False,
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
