"""Nothing outlives its attempt, its runner, or its runner's sudden death."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runners.agent import account, leftovers
from runners.agent.command import Command
from runners.agent.guard import Guard
from tests.agent.processes import is_alive, pid_in, wait_until_dead
from tests.agent.runner import Runner, make_config, running, shell
from tests.agent.service import WAIT_SECONDS, Service

HEAVY = (
    'import subprocess, sys; memory = b"x" * int(sys.argv[1]) * 1_000_000; '
    'subprocess.run(["setsid", "sh", "-c", "echo $$ > $0; exec sleep 600", sys.argv[2]])'
)

# What leaves its group, with its mark or without one; it writes its process id to the file.
STRAYS = {
    "background": "sleep 600 & echo $! > {0}",
    "session": "setsid sh -c 'echo $$ > {0}; exec sleep 600' > /dev/null 2>&1 & until test -s {0}; do sleep 0.02; done",
    "unmarked": "setsid env -i sh -c 'echo $$ > {0}; exec sleep 600' & until test -s {0}; do sleep 0.02; done",
    "nested": "setsid sh -c 'setsid sh -c \"echo \\$\\$ > {0}; exec sleep 600\" & wait' & "
    "until test -s {0}; do sleep 0.02; done",
    # Much memory makes a death slow; what is behind it changes its parent only then, and the other wakes the guardian.
    "heavy": f"setsid {sys.executable} -ISc '{HEAVY}' 500 {{0}} & until test -s {{0}}; do sleep 0.02; done; "
    f"setsid {sys.executable} -ISc '{HEAVY}' 50 {{0}}.other & until test -s {{0}}.other; do sleep 0.02; done",
}


@pytest.mark.parametrize("stray", STRAYS)
def test_nothing_stays_when_the_main_process_has_ended(
    service: Service, runner: Runner, tmp_path: Path, stray: str
) -> None:
    runner.submit(shell(1, STRAYS[stray].format(tmp_path / "pid") + "; echo done"))
    assert service.final(1)["outcome"] == "succeeded"
    assert service.record(1).text == "done\n"
    assert not is_alive(pid_in(tmp_path / "pid"))  # already when the end is told


@pytest.mark.parametrize("stray", STRAYS)
def test_nothing_stays_of_work_that_was_stopped(service: Service, runner: Runner, tmp_path: Path, stray: str) -> None:
    runner.submit(shell(1, STRAYS[stray].format(tmp_path / "pid") + "; echo up; sleep 600"))
    service.wait_for(lambda: service.record(1).log)
    runner.supervisor.cancel([(1, 1)])
    assert service.final(1)["outcome"] == "cancelled"
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_nothing_stays_beside_work_that_is_given_time_to_stop(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(2, "(trap '' TERM; exec sleep 600) & echo up; sleep 600"))
    service.wait_for(lambda: service.record(2).log)
    runner.submit(shell(1, STRAYS["heavy"].format(tmp_path / "pid") + "; echo up; sleep 600"))
    service.wait_for(lambda: service.record(1).log)
    runner.supervisor.cancel([(2, 1)])  # its leader ends, the rest of its group is in its grace
    runner.supervisor.cancel([(1, 1)])
    service.final(1)
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_the_strays_of_another_job_are_left_alone(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, STRAYS["session"].format(tmp_path / "pid") + "; echo up; sleep 600"))
    service.wait_for(lambda: service.record(1).log)
    runner.submit(shell(2))
    service.final(2)
    assert is_alive(pid_in(tmp_path / "pid"))


def test_a_stray_that_hides_whose_it_is_holds_up_nobody_else(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, STRAYS["unmarked"].format(tmp_path / "pid") + "; echo up; sleep 600"))
    service.wait_for(lambda: service.record(1).log)
    runner.submit(shell(2))
    assert service.final(2)["outcome"] == "succeeded"
    assert is_alive(pid_in(tmp_path / "pid"))
    runner.supervisor.cancel([(1, 1)])
    service.final(1)
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_work_that_closes_its_output_goes_on(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, f"echo last words; exec > /dev/null 2>&1; sleep 0.2; touch {tmp_path}/went-on; exit 6"))
    assert service.final(1)["exit_code"] == 6
    assert (tmp_path / "went-on").exists()


def test_a_guardian_that_dies_takes_the_work_and_the_runner_with_it(
    service: Service, runner: Runner, tmp_path: Path
) -> None:
    runner.submit(
        shell(1, STRAYS["session"].format(tmp_path / "stray") + f"; echo $$ > {tmp_path}/pid; echo up; sleep 600")
    )
    service.wait_for(lambda: service.record(1).log)
    os.kill(runner.guard.pid, signal.SIGKILL)
    assert runner.join() == 1
    assert not is_alive(pid_in(tmp_path / "pid"))
    assert not is_alive(pid_in(tmp_path / "stray"))
    assert service.final(1)["event"] == "returned"


def test_work_whose_time_is_over_is_killed_though_its_runner_says_nothing() -> None:
    """The runner may be frozen: the guardian looks at the clock too."""
    guard = Guard.start(account=account.current())
    now = time.monotonic()
    command = Command(argv=("sh", "-c", "trap '' TERM; sleep 600"), env={"PATH": os.environ["PATH"]})
    for serial, until in ((1, now + 1), (2, now + 600), (3, now + 600)):
        guard.spawn(serial, command=command, cwd="/", output=os.dup(1), stdin=None, until=until)
    guard.hold(3, until=now)
    guard.flush()
    told: list[dict[str, Any]] = []
    while len(told) < 5:
        assert select.select([guard], [], [], WAIT_SECONDS)[0], told
        told += guard.events()
    ends = {event["id"]: (event["signal"], event["signalled"]) for event in told if event["event"] == "exited"}
    assert ends == {1: (signal.SIGKILL, True), 3: (signal.SIGKILL, True)}
    guard.close()


def test_work_whose_time_is_over_is_not_even_begun(tmp_path: Path) -> None:
    guard = Guard.start(account=account.current())
    command = Command(argv=("touch", str(tmp_path / "ran")), env={"PATH": os.environ["PATH"]})
    guard.spawn(1, command=command, cwd="/", output=os.dup(1), stdin=None, until=time.monotonic())
    guard.spawn(2, command=command, cwd="/", output=os.dup(1), stdin=None, until=time.monotonic() + 600)
    guard.flush()
    told: list[dict[str, Any]] = []
    while len(told) < 3:
        assert select.select([guard], [], [], WAIT_SECONDS)[0], told
        told += guard.events()
    guard.close()
    assert [(event["event"], event["id"]) for event in told] == [("failed", 1), ("spawned", 2), ("exited", 2)]
    assert told[0]["what"] == "until"


@contextmanager
def orphan(*, job: int, attempt: int, cwd: Path) -> Iterator[int]:
    """Work of a runner that died together with its guardian."""
    script = (
        "import os, sys, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    env = {"TASKPIPELINE_JOB": str(job), "TASKPIPELINE_ATTEMPT": str(attempt)}
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script], env=env, cwd=cwd, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
    try:
        yield pid
    finally:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_what_a_predecessor_left_is_killed_and_cleared(tmp_path: Path) -> None:
    work = tmp_path / "12-3"
    work.mkdir()
    (work / "file").touch()
    with orphan(job=12, attempt=3, cwd=tmp_path) as marked, orphan(job=99, attempt=9, cwd=work) as hidden:
        leftovers.clear(tmp_path)
        assert not is_alive(marked)
        assert not is_alive(hidden)
    assert list(tmp_path.iterdir()) == []


def test_strangers_are_left_alone(service: Service, tmp_path: Path) -> None:
    """Other numbers; and the same numbers under a guardian that lives, of another service on this machine."""
    ours = tmp_path / "ours"
    (ours / "12-3").mkdir(parents=True)
    with (
        orphan(job=12, attempt=4, cwd=tmp_path) as other,
        running(make_config(tmp_path, service=service), root=tmp_path / "theirs") as runner,
    ):
        runner.submit(shell(12, f"echo $$ > {tmp_path}/pid; echo up; sleep 600", attempt=3))
        service.wait_for(lambda: service.record(12, attempt=3).log)
        leftovers.clear(ours)
        assert is_alive(other)
        assert is_alive(pid_in(tmp_path / "pid"))
    wait_until_dead(pid_in(tmp_path / "pid"))


def test_orders_that_are_given_at_once_each_have_their_own_descriptors(tmp_path: Path) -> None:
    """More than fit one message, each with an output and an input of its own; none of them stays open here."""
    guard = Guard.start(account=account.current())
    command = Command(argv=("cat",), env={"PATH": os.environ["PATH"]})
    serials = range(1, 101)
    open_before = len(os.listdir("/proc/self/fd"))
    for serial in serials:
        (tmp_path / f"in-{serial}").write_text(f"{serial}" + "x" * 1000)
        guard.spawn(
            serial,
            command=command,
            cwd="/",
            output=os.open(tmp_path / f"out-{serial}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC),
            stdin=os.open(tmp_path / f"in-{serial}", os.O_RDONLY | os.O_CLOEXEC),
            until=time.monotonic() + 600,
        )
    guard.flush()
    assert len(os.listdir("/proc/self/fd")) == open_before
    exits: dict[int, int] = {}
    while len(exits) < len(serials):
        assert select.select([guard], [], [], WAIT_SECONDS)[0], exits
        exits |= {event["id"]: event["exit_code"] for event in guard.events() if event["event"] == "exited"}
    guard.close()
    assert set(exits.values()) == {0}
    for serial in serials:
        assert (tmp_path / f"out-{serial}").read_text() == f"{serial}" + "x" * 1000
