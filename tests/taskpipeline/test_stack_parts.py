from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskpipeline.engines import processes
from taskpipeline.engines.processes import Process
from taskpipeline.engines.records import Urls
from taskpipeline.stack.address import Address
from taskpipeline.stack.backoff import LONGEST_SECONDS, STEADY_SECONDS, Backoff
from taskpipeline.stack.child import Child, Program
from taskpipeline.stack.exceptions import StackError
from taskpipeline.stack.holding import AlreadyHeldError, Holding
from taskpipeline.stack.interrupts import ECHO_SECONDS, Interrupts
from taskpipeline.stack.programs import environment, programs
from taskpipeline.stack.watching import look_after

# Says when it is ready, so that a signal does not come before its handlers are in place.
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
PARENT = "import subprocess, signal; subprocess.Popen(['sleep', '600']); print('ready', flush=True); signal.pause()"

Make = Callable[[str], Child]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Make]:
    """Start a Python script as a child, and wait until it says that it is ready."""
    children: list[Child] = []

    def make(script: str) -> Child:
        program = Program("one", [sys.executable, "-c", script], env=dict(os.environ), grace_seconds=30)
        made = Child(program, log_dir=tmp_path, cwd=tmp_path)
        children.append(made)
        made.start()
        wait_until(lambda: "ready" in made.log.read_text())
        return made

    yield make
    for made in children:
        made.stop(patience=lambda: False)


def test_a_stopped_child_ends_at_term(child: Make) -> None:
    started = child("import signal; print('ready', flush=True); signal.pause()")
    assert started.poll() is None
    process = started.process
    assert process

    started.stop(patience=moment)

    assert not process.alive()


def test_a_child_that_ignores_term_is_killed_when_patience_is_over(child: Make) -> None:
    started = child(STUBBORN)
    process = started.process
    assert process
    patience = iter([True, True, False])

    started.stop(patience=lambda: next(patience))

    assert not process.alive()
    assert next(patience, "used up") == "used up"


def test_what_a_child_leaves_in_its_session_ends_with_it(child: Make) -> None:
    started = child(PARENT)
    process = started.process
    assert process
    left = list(processes.in_session(process))
    assert len(left) == 2

    started.stop(patience=moment)

    assert [one for one in left if one.alive()] == []


def test_a_dead_child_is_started_again_after_a_pause(child: Make) -> None:
    started = child("import signal; print('ready', flush=True); signal.pause()")
    said: list[str] = []
    process = started.process
    assert process
    assert not look_after(started, say=said.append)
    process.send(signal.SIGKILL)
    wait_until(lambda: started.poll() is not None)

    assert not look_after(started, say=said.append)
    assert "one ended with -9; it is started again in 0.5 s" in said[0]
    wait_until(lambda: look_after(started, say=said.append))

    assert started.poll() is None
    assert started.process != process


def test_pauses_grow_up_to_a_bound_and_shrink_after_a_steady_life() -> None:
    backoff = Backoff()
    backoff.started(now=0.0)

    pauses = [backoff.died(now=1.0) for _ in range(10)]

    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_SECONDS
    backoff.started(now=100.0)
    assert backoff.died(now=100.0 + STEADY_SECONDS) == 0.5


def test_one_stack_holds_a_var_dir_and_says_where_it_is(tmp_path: Path) -> None:
    holding = Holding(tmp_path)
    holding.record([], url="http://127.0.0.1:1234")

    with pytest.raises(AlreadyHeldError, match=r"already up under .* at http://127\.0\.0\.1:1234") as refused:
        Holding(tmp_path)

    assert refused.value.url == "http://127.0.0.1:1234"
    holding.release()
    Holding(tmp_path).release()


def test_the_next_holder_ends_what_a_killed_one_left(tmp_path: Path) -> None:
    holding = Holding(tmp_path)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as left:
        process = Process.of(left.pid)
        assert process
        holding.record([process], url="")
        assert holding._lock
        holding._lock.close()  # as the system does when the holder is killed

        Holding(tmp_path).release()

        assert left.wait(10) == -signal.SIGTERM


def test_a_process_that_only_has_the_number_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        holding = Holding(tmp_path)
        holding.record([Process(other.pid, "1")], url="")
        assert holding._lock
        holding._lock.close()

        Holding(tmp_path).release()

        assert other.poll() is None
        other.kill()


def test_a_request_to_stop_and_its_echo_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("taskpipeline.stack.interrupts.time.monotonic", lambda: now)
    with Interrupts() as interrupts:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert interrupts.count == 1

        now += ECHO_SECONDS
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.count == 2


def test_a_sleep_is_cut_short_by_the_death_of_a_child() -> None:
    with Interrupts() as interrupts, subprocess.Popen(["sleep", "600"]) as process:
        process.kill()
        began = time.monotonic()
        interrupts.wait(60)

        assert time.monotonic() - began < 60


def test_a_taken_port_is_told_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])

        with pytest.raises(StackError, match=f"Cannot listen on 127.0.0.1, port {address.port}: .*PORT"):
            address.require_free()

        elsewhere = address.on_a_free_port()
        assert elsewhere.port != address.port
        elsewhere.require_free()
    assert address.on_a_free_port() == address


@pytest.mark.parametrize(
    ("host", "bind", "url"),
    [
        ("127.0.0.1", "127.0.0.1:80", "http://127.0.0.1:80"),
        ("0.0.0.0", "0.0.0.0:80", "http://127.0.0.1:80"),
        ("::", "[::]:80", "http://[::1]:80"),
        ("runner.example", "runner.example:80", "http://runner.example:80"),
    ],
)
def test_an_address_is_written_as_each_reader_takes_it(host: str, bind: str, url: str) -> None:
    address = Address(host, 80)

    assert (address.bind, address.url) == (bind, url)


def test_the_runner_gets_neither_the_database_nor_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "METRICS_TOKEN", "RUNNER_TOKEN"):
        monkeypatch.setenv(name, "hush")
    address = Address("127.0.0.1", 8123)
    urls = Urls("postgresql://db/hush", "redis://broker/0")
    base = environment(urls=urls, var_dir=Path("/var dir"), address=address)

    made = {
        program.name: program
        for program in programs(
            base, address=address, manage=Path("/manage.py"), tools=Path("/tools"), stop_grace_seconds=1
        )
    }

    assert list(made) == ["web", "control", "beat", "runner"]
    runner = made["runner"].env
    assert [name for name, value in runner.items() if "hush" in value] == []
    assert runner["BROKER_URL"] == "redis://broker/0"
    assert runner["API_URL"] == "http://127.0.0.1:8123"
    assert runner["PATH"].endswith(":/tools")
    assert made["web"].env["DATABASE_URL"] == "postgresql://db/hush"


def moment() -> bool:
    time.sleep(0.02)
    return True


def wait_until(holds: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
