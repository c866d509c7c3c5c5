"""`manage.py run_runner NAME` as it is started, and the broker between it and the service."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from runners.agent.protocol import EXECUTE
from tests.agent.service import TOKEN, WAIT_SECONDS, Service

ROOT = Path(__file__).parents[2]


@contextmanager
def a_redis(port: int) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which("redis-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, cwd="/") as process:
        try:
            retry = Retry(ConstantBackoff(0.02), retries=500)
            with redis.Redis(port=port, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
                client.ping()
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Stack:
    """A runner's process and the means to talk to it."""

    service: Service
    var_dir: Path
    broker_url: str
    name: str = field(default_factory=lambda: f"test-{secrets.token_hex(4)}")
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *options: str, **changes: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "VAR_DIR": str(self.var_dir),
            "RUNNER_TOKEN": TOKEN,
            "API_URL": self.service.url,
            "BROKER_URL": self.broker_url,
            "SECRET_KEY": "secret-of-the-service",
            "HEARTBEAT_SECONDS": "0.2",
            "STOP_GRACE_SECONDS": "2",
            "LOG_FORMAT": "json",
            **changes,
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_runner", self.name, *options],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def send(self, task: str, *args: Any) -> None:
        with Celery("service", broker=self.broker_url, set_as_current=False) as app:
            app.send_task(task, args=args, queue=f"runner.{self.name}", retry=False, ignore_result=True)

    def execute(self, *requests: dict[str, Any]) -> None:
        self.send(EXECUTE, list(requests))

    def wait_until_up(self) -> None:
        count = len(self.service.batches)
        self.service.wait_for(lambda: len(self.service.batches) > count)

    def close(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.communicate()


def celery_url(url: str) -> str:
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a process; return its exit code and what it said."""
    _, said = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, said
