"""What Shell work sees, and what is said of its end."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.agent.runner import Runner, make_config, running, shell
from tests.agent.service import Service


def test_it_reports_start_log_and_end_in_order(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "echo one; echo two"))
    final = service.final(1)
    record = service.record(1)
    assert record.items[0] == {"job": 1, "attempt": 1, "event": "started", "worker": "tester"}
    assert record.events[0] == "started"
    assert set(record.events[1:-1]) <= {"log", "alive"}
    assert record.text == "one\ntwo\n"
    assert final == {"job": 1, "attempt": 1, "event": "finished", "outcome": "succeeded", "exit_code": 0}


def test_a_code_other_than_0_is_a_failure(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "exit 3"))
    final = service.final(1)
    assert (final["outcome"], final["exit_code"], final["reason"]) == ("failed", 3, "exit_code")
    assert "signal" not in final


def test_death_by_a_signal_names_it(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "kill -SEGV $$"))
    final = service.final(1)
    assert (final["outcome"], final["signal"], final["reason"]) == ("failed", signal.SIGSEGV, "signal")
    assert "exit_code" not in final
    assert "SIGSEGV" in final["message"]


def test_both_streams_come_as_one_in_order(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "for i in 1 2 3; do echo out$i; echo err$i >&2; done"))
    service.final(1)
    assert service.record(1).text.split() == ["out1", "err1", "out2", "err2", "out3", "err3"]


def test_bad_bytes_and_nuls_are_replaced(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, r"printf 'a\377b\000c'"))
    service.final(1)
    assert service.record(1).text == "a\ufffdb\ufffdc"


def test_its_environment_is_what_it_was_given_and_nothing_of_ours(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_TOKEN", "secret")
    monkeypatch.setenv("BROKER_URL", "redis://:secret@localhost")
    runner.submit(shell(7, ["/usr/bin/env"], attempt=2, env={"COLOUR": "blue", "TASKPIPELINE_JOB": "8"}))
    service.final(7, attempt=2)
    environment = dict(line.split("=", 1) for line in service.record(7, attempt=2).text.splitlines())
    assert set(environment) == {"PATH", "HOME", "LANG", "TASKPIPELINE_JOB", "TASKPIPELINE_ATTEMPT", "COLOUR"}
    assert (environment["TASKPIPELINE_JOB"], environment["TASKPIPELINE_ATTEMPT"]) == ("7", "2")
    assert environment["COLOUR"] == "blue"


def test_it_has_a_fresh_private_directory_that_is_removed(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "pwd; stat -c %a .; ls -A; mkdir -p deep/er; touch deep/er/file; chmod 500 deep/er"))
    service.final(1)
    place, mode = service.record(1).text.split()
    assert mode == "700"
    assert Path(place).parent == runner.root
    runner.close()  # waits for what is removed on the side
    assert not Path(place).exists()


@pytest.mark.parametrize("left", ["touch file", "mkdir -p deep/er", "chmod 777 .", "true"])
def test_nothing_of_a_directory_is_handed_on_to_the_next_work(service: Service, runner: Runner, left: str) -> None:
    runner.submit(shell(1, left))
    service.final(1)
    runner.submit(shell(2, "ls -A | wc -l; stat -c %a .; basename $PWD"))
    service.final(2)
    assert service.record(2).text == "0\n700\n2-1\n"


def test_a_directory_given_is_used_and_kept(service: Service, runner: Runner, tmp_path: Path) -> None:
    there = tmp_path / "a place"
    there.mkdir()
    runner.submit(shell(1, "echo here > file", cwd=str(there)))
    assert service.final(1)["outcome"] == "succeeded"
    assert (there / "file").read_text() == "here\n"


def test_it_reads_what_it_is_given(service: Service, runner: Runner) -> None:
    text = "naïve\n" * 100_000  # more than a pipe holds
    runner.submit(shell(1, "cat", stdin=text), shell(2, "cat"))
    service.final(1)
    assert service.record(1).text == text
    assert service.final(2)["outcome"] == "succeeded"
    assert service.record(2).text == ""


def test_a_list_is_run_as_it_is(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, ["echo", "$HOME", "a b"]))
    service.final(1)
    assert service.record(1).text == "$HOME a b\n"


def test_the_shell_can_be_another(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "set -e; false; echo not reached", shell="/bin/sh -e -c"))
    assert service.final(1)["exit_code"] == 1


@pytest.mark.parametrize(
    ("request_fields", "words"),
    [
        (shell(1, ["no-such-program"]), "no-such-program"),
        (shell(1, ["/etc"]), "Permission denied"),
        (shell(1, "true", cwd="/no/such/place"), "/no/such/place"),
        (shell(1, "true", env={"A=B": "c"}), "Cannot run"),
        (shell(1, [""]), "Cannot run"),
        (shell(1, []), "command"),
        (shell(1) | {"kind": "Unheard/Of"}, "Unheard/Of"),
    ],
)
def test_what_cannot_be_started_says_why(
    service: Service, runner: Runner, request_fields: dict[str, Any], words: str
) -> None:
    runner.submit(request_fields)
    final = service.final(1)
    assert (final["outcome"], final["reason"]) == ("failed", "spawn_failed")
    assert words in final["message"]


def test_it_has_default_signals_a_sane_umask_and_no_file_of_ours(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "umask; ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status"))
    service.final(1)
    umask, files, _, blocked, _, ignored = service.record(1).text.split()
    assert umask == "0022"
    assert int(files) == 4  # three, and the directory that ls reads
    standard = 2**31 - 1  # glibc keeps two real-time signals for itself
    assert (int(blocked, 16), int(ignored, 16) & standard) == (0, 0)


def test_a_session_of_its_own(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "cut -d ' ' -f 1,5,6 /proc/$$/stat"))
    service.final(1)
    pid, group, session = service.record(1).text.split()
    assert pid == group == session


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run work as another user")
def test_it_runs_as_another_user_for_good(
    service: Service, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("work")
    for place in (root, *root.parents[:3]):  # under xdist one level more is private
        place.chmod(place.stat().st_mode | stat.S_IXOTH)
    with running(make_config(tmp_path, service=service, user="nobody"), root=root) as runner:
        runner.submit(shell(1, "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/self/status; echo $HOME; touch file"))
        assert service.final(1)["outcome"] == "succeeded"
        lines = {line.split(":")[0]: line.split()[1:] for line in service.record(1).text.splitlines()}
        assert lines["Uid"] == ["65534"] * 4
        assert lines["Gid"] == ["65534"] * 4
        assert "0" not in lines["Groups"]
        assert int(lines["CapEff"][0], 16) == int(lines["CapPrm"][0], 16) == 0
        runner.submit(shell(2, f"kill -9 {runner.guard.pid}"), shell(3, "sleep 60", timeout=1))
        assert service.final(2)["outcome"] == "failed"
        assert service.final(3)["outcome"] == "timed_out"  # root's guardian can still signal it
