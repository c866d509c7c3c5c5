"""The process as it is started: `manage.py run_runner NAME`, with a real Redis between it and the service."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from runners.agent.protocol import DRAIN, STOP
from tests.agent.processes import is_alive, pid_in, wait_until_dead
from tests.agent.runner import shell
from tests.agent.service import TOKEN, Service
from tests.agent.started import Stack, end

ROOT = Path(__file__).parents[2]


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
