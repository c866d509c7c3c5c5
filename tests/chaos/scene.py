"""The stack that faults are done to: its own runner, another whose clock is off, and what stands between them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psycopg

from tests.chaos import ledger
from tests.chaos.relay import Relay
from tests.e2e.stack import ROOT, Stack, eventually, shell

LEASE_SECONDS = 4.0
QUEUE_SIZE = 6
CAPACITY = 4
SETTINGS = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "HEARTBEAT_SECONDS": "1",
    "RUNNER_OFFLINE_SECONDS": "5",
    "STOP_GRACE_SECONDS": "2",
    "RETRY_BACKOFF_SECONDS": "0.2",
    "TOP_UP_SECONDS": "1",
    "QUEUE_SIZE": str(QUEUE_SIZE),
    "RUNNER_CAPACITY": str(CAPACITY),
    "DIVIDE_INLINE_MAX_JOBS": "4",
}
OWN, OTHER = "local", "other"
_BUSY_TICKS = 50
_BUSY_SECONDS = 15.0
_INODES = 100
_END_SECONDS = 60.0


class OtherRunner:
    """A server runner beside the stack's: its clock is off by an hour, its reports go through the relay."""

    def __init__(self, stack: Stack, *, token: str, api_url: str, broker_url: str, clock_off_seconds: int) -> None:
        self.state_dir = stack.var_dir / "runners" / OTHER
        self._argv = [sys.executable, "-m", "tests.chaos.skewed_runner", OTHER]
        self._argv += [str(clock_off_seconds), str(self.state_dir)]
        told = {"RUNNER_TOKEN": token, "API_URL": api_url, "BROKER_URL": broker_url}
        self._environment = {**stack.environment, **told}
        self._log = stack.var_dir / "log" / f"{OTHER}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    def end(self, number: signal.Signals) -> None:
        """Signal it, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_END_SECONDS)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Have no directory be made for its work meanwhile: its disk is full, or else the place is gone."""
        if os.path.ismount(self.state_dir):
            filling = self.state_dir / "filling"
            filling.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                for number in range(_INODES):
                    (filling / str(number)).touch()
            try:
                yield
            finally:
                for file in filling.iterdir():
                    file.unlink()
        else:
            work, away = self.state_dir / "work", self.state_dir / "away"
            eventually(work.exists, what="the runner to begin")
            work.rename(away)
            try:
                yield
            finally:
                away.rename(work)


class Scene:
    """A stack with both runners, up while it is entered; `small_disk` needs the right to mount."""

    def __init__(self, var_dir: Path, *, clock_off_seconds: int, small_disk: bool) -> None:
        self.stack = Stack(var_dir, **SETTINGS)
        self.findings: list[str] = []
        self.ledger_file = var_dir / "ledger"
        self._clock_off_seconds = clock_off_seconds
        self._small_disk = small_disk
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.enter_context(self.stack)
            self.relay = Relay(self.stack.url)
            self.relay.start()
            cleanup.callback(self.relay.stop)
            made = self.stack.command("create_runner", OTHER, "--type", "server", "--capacity", str(CAPACITY))
            self.other = OtherRunner(
                self.stack,
                token=made["token"],
                api_url=self.relay.url,
                broker_url=self._engines()["redis"]["url"],
                clock_off_seconds=self._clock_off_seconds,
            )
            if self._small_disk:
                self.other.state_dir.mkdir(parents=True)
                cleanup.enter_context(_mounted(self.other.state_dir))
            self.other.start()
            cleanup.callback(self.other.end, signal.SIGTERM)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @staticmethod
    def kill(pid: int, number: signal.Signals) -> None:
        """Signal the process; one that another fault has just ended is as good."""
        if pid > 0:  # 0 would be our own group
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def keep_busy(self, runner: str) -> None:
        """See that the runner has work that outlasts a lease; after other faults it may be too late for that."""
        jobs = [shell(f"long {number}", retry_attempt=3) for number in range(4)]
        for job in jobs:
            job["params"] = {"command": ledger.command(_BUSY_TICKS), "env": {"LEDGER": str(self.ledger_file)}}
        begun = (
            "SELECT 1 FROM runners_attempt a JOIN pipelines_job j ON j.id = a.job_id WHERE j.pipeline_id = %s "
            "AND a.runner_name = %s AND a.outcome = '' AND a.started_at IS NOT NULL"
        )
        with contextlib.suppress(httpx.TransportError, psycopg.Error, AssertionError):
            made = self.stack.submit({"stages": ["run"], "jobs": jobs, "priority": 0})
            eventually(lambda: self.stack.query(begun, made, runner), what="long work", seconds=_BUSY_SECONDS)

    def pid_of(self, child: str) -> int:
        return eventually(lambda: self.stack.process_of(child), what=f"{child} to run")

    def pid_of_redis(self) -> int:
        return int(self._engines()["redis"]["pid"])

    def pid_of_postgres(self) -> int:
        file = self.stack.var_dir / "postgres" / "data" / "postmaster.pid"
        eventually(file.exists, what="PostgreSQL to run")
        return int(file.read_text().split()[0])

    @contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        """Freeze the process meanwhile."""
        self.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            self.kill(pid, signal.SIGCONT)

    def _engines(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads((self.stack.var_dir / "engines.json").read_text())
        return found


@contextmanager
def _mounted(directory: Path) -> Iterator[None]:
    """Make the directory a small disk of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"nr_inodes={_INODES}", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
