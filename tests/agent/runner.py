"""A runner to test: its supervisor in this process, with a real guardian and real work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from runners.agent import account
from runners.agent.config import Config
from runners.agent.guard import Guard
from runners.agent.kinds import EXECUTORS
from runners.agent.supervisor import Supervisor
from tests.agent.service import TOKEN, WAIT_SECONDS, Service


def make_config(state_dir: Path, *, service: Service, **changes: Any) -> Config:
    config = Config(
        name="test",
        api_url=service.url,
        state_dir=state_dir,
        token=TOKEN,
        broker_url="redis://localhost/0",
        grace_seconds=0.3,
        stop_grace_seconds=1.0,
        heartbeat_seconds=0.2,
        offline_seconds=3.0,
    )
    return replace(config, **changes)


def shell(job: int, command: str | list[str] = "true", *, attempt: int = 1, **more: Any) -> dict[str, Any]:
    """Return an execute request of kind Shell as the service sends it."""
    fields = {"timeout": None, "lease_seconds": 60.0} | {
        k: more.pop(k) for k in ("timeout", "lease_seconds") if k in more
    }
    return {
        "job": job,
        "attempt": attempt,
        "kind": "Shell",
        "version": "1.0.0",
        "params": {"command": command, **more},
        "report_url": "http://127.0.0.1/api/v1/jobs/1/report/",
        "token": "an-attempt-token",
        **fields,
    }


class Runner:
    """A supervisor at work in a thread."""

    def __init__(self, config: Config, *, root: Path) -> None:
        user = account.named(config.user) if config.user else account.current()
        self.root = root
        self.guard = Guard.start(account=user)
        self.supervisor = Supervisor(
            config, worker="tester", account=user, guard=self.guard, root=root, executors=EXECUTORS
        )
        self.exit_code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.exit_code = self.supervisor.run()

    def submit(self, *requests: dict[str, Any]) -> None:
        self.supervisor.submit(requests)

    def join(self) -> int | None:
        """Wait for the end of the supervisor and return its exit code."""
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        return self.exit_code

    def close(self) -> None:
        if self._thread.is_alive():
            self.supervisor.terminate()
            self.supervisor.terminate()
        self._thread.join(WAIT_SECONDS)
        self.guard.close()


@contextmanager
def running(config: Config, *, root: Path | None = None) -> Iterator[Runner]:
    root = root or config.state_dir / "work"
    root.mkdir(parents=True, exist_ok=True)
    runner = Runner(config, root=root)
    try:
        yield runner
    finally:
        runner.close()
