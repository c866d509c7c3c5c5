"""The whole stack, as `make run` starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from taskpipeline.engines import running
from taskpipeline.engines.processes import Process

ROOT = Path(__file__).parents[2]
# What belongs to the test session must not reach the stack.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")


class Running:
    """A stack and what it printed."""

    def __init__(self, var_dir: Path, *, port: int) -> None:
        self.var_dir = var_dir
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self.environment = {**inherited, "VAR_DIR": str(var_dir), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        self.output = var_dir.parent / f"{var_dir.name}.output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "stack"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def up(self) -> str:
        """Wait until it is up and return what it printed."""
        wait_until(lambda: "Stop " in self.output.read_text() or self.process.poll() is not None)
        assert "Task Pipeline is up." in self.output.read_text(), self.output.read_text()
        return self.output.read_text()

    def children(self) -> list[Process]:
        """Return the processes it wrote down: web, control, beat, runner, and the engines."""
        entries = json.loads((self.var_dir / "stack.json").read_text())["processes"]
        engines = json.loads((self.var_dir / "engines.json").read_text()).values()
        return [Process(entry["pid"], entry["started"]) for entry in [*entries, *engines]]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


Begin = Callable[[Path], Running]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start stacks that are stopped when the test ends."""
    begun: list[Running] = []

    def start(var_dir: Path) -> Running:
        var_dir.parent.mkdir(parents=True, exist_ok=True)
        begun.append(Running(var_dir, port=free_port()))
        return begun[-1]

    yield start
    for stack in begun:
        if stack.process.poll() is None:
            stack.process.terminate()
        stack.process.wait(60)


def test_it_introduces_itself_once_and_stops_without_a_trace(begin: Begin, tmp_path: Path) -> None:
    var_dir = tmp_path / "a path with spaces" / "var"
    stack = begin(var_dir)
    printed = stack.up()

    client_id, secret = found(r"Client id +(\S+)", printed), found(r"Client secret +(\S+)", printed)
    token = httpx.post(
        f"{stack.url}/oauth/token/",
        data={"grant_type": "client_credentials"},
        auth=(client_id, secret),
        trust_env=False,
    )
    assert token.status_code == 200
    assert found(r"Operator +operator +(\S+)", printed)

    # One stack a VAR_DIR; commands beside it reach its engines.
    refused = stack.command("stack")
    assert refused.returncode == 1
    assert f"A stack is already up under {var_dir}, at {stack.url}" in refused.stderr
    made = stack.command("create_client", "another", "--json")
    assert json.loads(made.stdout.splitlines()[-1])["client_id"]

    demonstrated = stack.command("demo")
    assert demonstrated.returncode == 0, demonstrated.stdout + demonstrated.stderr
    assert f"A stack is up already at {stack.url}: it is used, and left running." in demonstrated.stdout

    left = stack.children()
    assert len(left) == 6
    assert all(process.alive() for process in left)
    sockets = [Path(entry["socket_dir"]) for entry in json.loads((var_dir / "engines.json").read_text()).values()]
    stack.process.send_signal(signal.SIGINT)

    assert stack.process.wait(60) == 0
    assert [process for process in left if process.alive()] == []
    assert [path for path in sockets if path.exists()] == []
    assert running(var_dir) is None

    printed = begin(var_dir).up()
    assert secret not in printed
    assert "changepassword operator" in printed
    assert str(var_dir / "clients" / "demo.json") in printed
    for kept in (var_dir / "clients" / "demo.json", var_dir / "runners" / "local.token"):
        assert kept.stat().st_mode & 0o777 == 0o600


def test_it_starts_after_its_supervisor_was_killed_and_restarts_what_dies(begin: Begin, tmp_path: Path) -> None:
    killed = begin(tmp_path / "var")
    killed.up()
    left = killed.children()
    killed.process.kill()
    killed.process.wait()

    stack = begin(tmp_path / "var")
    stack.up()

    assert [process for process in left if process.alive()] == []
    before = stack.children()
    for process in before:
        process.send(signal.SIGKILL)
    wait_until(lambda: all(process.alive() for process in stack.children()) and not set(before) & set(stack.children()))
    wait_until(lambda: answers(f"{stack.url}/healthz/"))
    database_url = json.loads((tmp_path / "var" / "engines.json").read_text())["postgres"]["url"]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT name FROM runners_runner").fetchall() == [("local",)]
    told = stack.output.read_text()
    for name in ("web", "control", "beat", "runner", "postgres", "redis"):
        assert f"{name} ended with" in told


def test_the_demo_shows_a_pipeline_and_leaves_the_introduction_to_the_stack(begin: Begin, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    done = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env={**environment, "VAR_DIR": str(tmp_path / "var"), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Pipeline DONE in \S+ s with 1 tolerated failure", done.stdout)
    assert re.search(r"test data +DONE +2 .* succeeded when retried", done.stdout)
    assert re.search(r"no TODO left +ERROR +1 .* tolerated", done.stdout)
    assert "mirror.example.org does not answer" in done.stdout
    assert running(tmp_path / "var") is None

    printed = begin(tmp_path / "var").up()
    assert found(r"Operator +operator +(\S+)", printed)
    assert found(r"Client secret +(\S+)", printed)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "eighty", "PORT='eighty' is not usable: expected a whole number from 1 to 65535"),
        ("PORT", "70000", "PORT='70000' is not usable"),
        ("RUNNER_CAPACITY", "-1", "RUNNER_CAPACITY='-1' is not usable"),
    ],
)
def test_a_bad_value_stops_the_start(tmp_path: Path, name: str, value: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "stack"],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path), name: value},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match.group(1)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until(holds: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
