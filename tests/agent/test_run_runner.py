"""The process as it is started: `manage.py run_runner NAME`, with a real Redis between it and the service."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from runners.agent.protocol import DRAIN, EXECUTE, STOP
from runners.broker import BrokerUser
from tests.agent.processes import is_alive, pid_in, wait_until_dead
from tests.agent.runner import shell
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


@pytest.fixture
def stack(service: Service, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(
        service=service, var_dir=tmp_path / "var with spaces", broker_url=_celery_url(os.environ["REDIS_URL"])
    )
    try:
        yield stack
    finally:
        stack.close()


def _celery_url(url: str) -> str:
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a process; return its exit code and what it said."""
    _, said = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, said


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


def test_it_executes_what_comes_over_the_queue_and_ends_on_term(stack: Stack, service: Service) -> None:
    process = stack.start()
    stack.execute(shell(1, "echo $PPID; env"), shell(2, "exit 3"))
    assert service.final(1)["outcome"] == "succeeded"
    assert service.final(2)["exit_code"] == 3
    arguments = Path(f"/proc/{process.pid}/cmdline").read_text()
    guardian = int(service.record(1).text.split("\n")[0])
    for secret in (TOKEN, "secret-of-the-service", stack.broker_url):
        assert secret not in arguments + environment_of(process.pid) + environment_of(guardian) + service.record(1).text
    process.terminate()
    code, said = end(process)
    assert code == 0
    assert TOKEN not in said
    wait_until_dead(guardian)


def test_a_cancel_is_heard_over_the_queue(stack: Stack, service: Service) -> None:
    stack.start(HEARTBEAT_SECONDS="600")
    stack.execute(shell(1, "echo up; sleep 600", lease_seconds=6000))
    service.lease_seconds = 6000
    service.wait_for(lambda: service.record(1).log)
    stack.send(STOP, [[1, 1], [7, 1]])
    assert service.final(1)["outcome"] == "cancelled"


def test_a_drain_ends_it_when_it_is_idle(stack: Stack, service: Service, tmp_path: Path) -> None:
    process = stack.start()
    os.mkfifo(tmp_path / "go")
    stack.execute(shell(1, f"echo up; cat {tmp_path}/go"))
    service.wait_for(lambda: service.record(1).log)
    stack.send(DRAIN)
    (tmp_path / "go").write_text("")
    assert end(process)[0] == 0
    assert service.final(1)["outcome"] == "succeeded"


def test_term_returns_what_does_not_end_in_time(stack: Stack, service: Service, tmp_path: Path) -> None:
    process = stack.start("--grace", "0.2")
    stack.execute(shell(1, f"trap '' TERM; echo $$ > {tmp_path}/pid; echo up; while :; do sleep 60 & wait; done"))
    service.wait_for(lambda: service.record(1).log)
    process.terminate()
    assert end(process)[0] == 0
    assert service.final(1)["event"] == "returned"
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_killed_it_takes_all_its_work_with_it_and_starts_again(stack: Stack, service: Service, tmp_path: Path) -> None:
    first = stack.start()
    script = (
        f"trap '' TERM HUP; echo $$ > {tmp_path}/pid; sleep 600 & echo $! > {tmp_path}/child; "
        f"setsid sh -c 'echo $$ > {tmp_path}/stray; exec sleep 600' & "
        f"until test -s {tmp_path}/stray; do sleep 0.02; done; touch file; echo up; wait"
    )
    stack.execute(shell(1, script))
    service.wait_for(lambda: service.record(1).log)
    first.kill()
    for name in ("pid", "child", "stray"):
        wait_until_dead(pid_in(tmp_path / name), seconds=5)
    stack.start()
    stack.execute(shell(1, "pwd", attempt=2))
    assert service.final(1, attempt=2)["outcome"] == "succeeded"
    work = Path(service.record(1, attempt=2).text.strip()).parent
    assert not (work / "1-1").exists()


def test_frozen_past_its_leases_it_has_no_work_alive_and_gives_it_back_when_thawed(
    stack: Stack, service: Service, tmp_path: Path
) -> None:
    service.lease_seconds = 3.0
    process = stack.start()
    stack.execute(shell(1, f"trap '' TERM; echo $$ > {tmp_path}/pid; echo up; sleep 600", lease_seconds=3.0))
    service.wait_for(lambda: service.record(1).log)
    process.send_signal(signal.SIGSTOP)
    wait_until_dead(pid_in(tmp_path / "pid"))
    process.send_signal(signal.SIGCONT)
    final = service.final(1)
    assert (final["event"], final["reason"]) == ("returned", "lease_lost")


def test_it_cleans_up_after_a_runner_and_guardian_killed_at_once(
    stack: Stack, service: Service, tmp_path: Path
) -> None:
    first = stack.start()
    stack.execute(shell(1, f"echo $$ > {tmp_path}/pid; sleep 600 & echo $! > {tmp_path}/child; echo $PPID; wait"))
    service.wait_for(lambda: service.record(1).log)
    guardian = int(service.record(1).text)
    os.kill(first.pid, signal.SIGSTOP)  # so that it cannot see its guardian die
    os.kill(guardian, signal.SIGKILL)
    first.kill()
    left = [pid_in(tmp_path / name) for name in ("pid", "child")]
    assert all(is_alive(pid) for pid in left)
    stack.start()
    stack.wait_until_up()
    assert not any(is_alive(pid) for pid in left)  # before it takes anything


def test_it_hears_again_after_its_broker_was_away(stack: Stack, service: Service) -> None:
    port = free_port()
    stack.broker_url = f"redis://127.0.0.1:{port}/0"
    with ExitStack() as first:
        first.enter_context(a_redis(port))
        stack.start()
        stack.execute(shell(1))
        assert service.final(1)["outcome"] == "succeeded"
    for job in (2, 3):
        with a_redis(port):
            stack.execute(shell(job))
            assert service.final(job)["outcome"] == "succeeded"


@pytest.mark.parametrize(
    "disturb", [lambda client: client.flushall(), lambda client: client.client_kill_filter(_type="normal")]
)
def test_it_hears_on_whatever_happens_to_the_broker(
    stack: Stack, service: Service, disturb: Callable[[redis.Redis], object]
) -> None:
    port = free_port()
    stack.broker_url = f"redis://127.0.0.1:{port}/0"
    with a_redis(port), redis.Redis(port=port) as client:
        stack.start()
        for job in (1, 2, 3):
            stack.execute(shell(job))
            assert service.final(job)["outcome"] == "succeeded"
            disturb(client)


def test_it_hears_again_once_its_broker_user_is_back(stack: Stack, service: Service) -> None:
    port = free_port()
    stack.broker_url = f"redis://127.0.0.1:{port}/0"
    user = BrokerUser(name=f"runner.{stack.name}", queue=f"runner.{stack.name}", password="secret")
    with a_redis(port), redis.Redis(port=port) as client:
        for job in (1, 2):
            client.execute_command(*user.acl.split())
            if job == 1:
                stack.start(BROKER_URL=user.url(stack.broker_url))
            stack.execute(shell(job))
            assert service.final(job)["outcome"] == "succeeded"
            client.acl_deluser(user.name)  # as a restart does to one that is in no ACL file


def test_it_ends_on_term_while_its_broker_is_away(stack: Stack, service: Service) -> None:
    stack.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    process = stack.start()
    stack.wait_until_up()
    process.terminate()
    assert end(process)[0] == 0


@pytest.mark.parametrize(
    ("options", "changes", "words"),
    [
        ([], {"RUNNER_TOKEN": ""}, "RUNNER_TOKEN"),
        ([], {"RUNNER_TOKEN": "ünusable"}, "RUNNER_TOKEN"),
        ([], {"API_URL": "ftp://example.org"}, "API_URL"),
        ([], {"BROKER_URL": "amqp://example.org"}, "BROKER_URL"),
        ([], {"BROKER_URL": ""}, "BROKER_URL"),
        (["--user", "no-such-user"], {}, "no-such-user"),
        (["--grace", "-1"], {}, "grace"),
        (["--grace", "soon"], {}, "--grace"),
    ],
)
def test_what_is_not_usable_is_said_in_one_line(
    stack: Stack, options: list[str], changes: dict[str, str], words: str
) -> None:
    code, said = end(stack.start(*options, **changes))
    assert code != 0
    assert words in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run work as another user")
def test_its_work_can_be_another_users(stack: Stack, service: Service) -> None:
    """Also where that user may not pass through VAR_DIR."""
    stack.var_dir.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o711)
        process = stack.start("--user", "nobody", TMPDIR=temporary)
        stack.execute(shell(1, "pwd; id -u; touch file && stat -c %U:%a ."))
        assert service.final(1)["outcome"] == "succeeded"
        place, uid, owner = service.record(1).text.split()
        assert place.startswith(temporary)
        assert (uid, owner) == ("65534", "nobody:700")
        process.terminate()
        assert end(process)[0] == 0
        assert not Path(place).exists()
    assert stack.var_dir.stat().st_mode & 0o777 == 0o700


def test_two_of_one_name_do_not_work_in_one_place(stack: Stack, service: Service) -> None:
    stack.start()
    stack.wait_until_up()
    code, said = end(stack.start())
    assert code == 1
    assert "Another run_runner" in said.splitlines()[-1]
