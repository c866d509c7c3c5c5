"""Work that is ended before its time: timeouts, cancels, leases, a runner that stops."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.processes import is_alive, pid_in, wait_until_dead
from tests.agent.runner import Runner, make_config, running, shell
from tests.agent.service import Service

DEAF = "trap '' TERM; echo $$ > {0}/pid; echo up; while :; do sleep 60 & wait; done"


def test_work_over_its_timeout_is_stopped(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, f"echo $$ > {tmp_path}/pid; sleep 60", timeout=1))
    final = service.final(1)
    assert (final["outcome"], final["reason"], final["signal"]) == ("timed_out", "timeout", signal.SIGTERM)
    assert "1 s" in final["message"]
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_work_that_ignores_term_is_killed(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, DEAF.format(tmp_path), timeout=1))
    final = service.final(1)
    assert (final["outcome"], final["signal"]) == ("timed_out", signal.SIGKILL)
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_after_term_the_group_keeps_its_grace_when_its_leader_is_gone(service: Service, runner: Runner) -> None:
    """A shell dies of TERM at once; what it runs may have to tidy up."""
    tidy = "sh -c 'trap \"sleep 0.2; echo tidied; exit 0\" TERM; echo up; while :; do sleep 0.05; done'; true"
    runner.submit(shell(1, tidy))
    service.wait_for(lambda: "up" in service.record(1).text)
    runner.supervisor.cancel([(1, 1)])
    assert service.final(1)["outcome"] == "cancelled"
    assert "tidied" in service.record(1).text


def test_success_after_our_signal_is_no_success(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    service.wait_for(lambda: service.record(1).log)
    runner.supervisor.cancel([(1, 1)])
    final = service.final(1)
    assert (final["outcome"], final["exit_code"]) == ("cancelled", 0)


def test_a_silent_job_hears_its_cancel_by_a_push(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "sleep 60"))
    service.wait_for(lambda: service.record(1).events)
    runner.supervisor.cancel([(1, 1), (2, 1)])
    final = service.final(1)
    assert (final["outcome"], final["reason"]) == ("cancelled", "cancelled")


def test_a_silent_job_hears_its_cancel_by_its_heartbeat(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "sleep 60"))
    service.wait_for(lambda: "alive" in service.record(1).events)
    service.cancelled.add((1, 1))
    assert service.final(1)["outcome"] == "cancelled"


def test_a_cancel_before_the_start_runs_nothing(service: Service, runner: Runner, tmp_path: Path) -> None:
    service.cancelled.add((1, 1))
    runner.submit(shell(1, f"touch {tmp_path}/ran"))
    assert service.final(1)["outcome"] == "cancelled"
    assert not (tmp_path / "ran").exists()


def test_an_attempt_that_is_not_ours_any_more_is_killed(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, f"echo $$ > {tmp_path}/pid; echo up; sleep 60"))
    service.wait_for(lambda: service.record(1).log)
    service.answer_item = lambda item: {"status": 409, "cancel": False} if item["job"] == 1 else None
    wait_until_dead(pid_in(tmp_path / "pid"))
    runner.supervisor.drain()
    assert runner.join() == 0
    assert service.record(1).final is None


@pytest.mark.parametrize("command", ["echo $$ > {0}/pid; echo up; sleep 60", DEAF])
def test_work_whose_lease_cannot_be_renewed_is_dead_before_it_ends(
    service: Service, runner: Runner, tmp_path: Path, command: str
) -> None:
    service.lease_seconds = 3.0
    renewed = [0.0]

    def note(item: dict[str, Any]) -> None:
        renewed[0] = time.monotonic()

    service.answer_item = note
    runner.submit(shell(1, command.format(tmp_path), lease_seconds=3.0))
    service.wait_for(lambda: service.record(1).log)
    service.answer_batch = lambda items: 500
    wait_until_dead(pid_in(tmp_path / "pid"))
    assert time.monotonic() < renewed[0] + service.lease_seconds  # the contract's own bound, not a speed
    service.answer_batch = lambda items: None
    final = service.final(1)
    assert (final["event"], final["reason"]) == ("returned", "lease_lost")


def test_a_heartbeat_keeps_the_lease(service: Service, runner: Runner) -> None:
    service.lease_seconds = 1.0
    runner.submit(shell(1, "sleep 2.5", lease_seconds=1.0))
    assert service.final(1)["outcome"] == "succeeded"
    assert "alive" in service.record(1).events


def test_a_request_whose_start_is_never_answered_is_dropped(service: Service, runner: Runner, tmp_path: Path) -> None:
    service.answer_batch = lambda items: 500 if items else None
    runner.submit(shell(1, f"touch {tmp_path}/ran", lease_seconds=0.5))
    service.wait_for(lambda: service.refused >= 1)
    runner.supervisor.drain()
    assert runner.join() == 0  # nothing is held any more
    assert not (tmp_path / "ran").exists()


def test_an_attempt_whose_lease_is_over_before_it_could_begin_is_given_back(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a frozen runner's thaw: the answer to its `started` is old. The guardian is not even asked."""
    asked: list[object] = []
    monkeypatch.setattr(runner.guard, "spawn", lambda *args, **kwargs: asked.append(args))
    service.answer_item = lambda item: {"lease_seconds": 0.0} if item["event"] == "started" else None
    runner.submit(shell(1))
    final = service.final(1)
    assert (final["event"], final["reason"]) == ("returned", "lease_lost")
    assert final["message"].startswith("Not begun")
    assert not asked


def test_told_to_stop_it_lets_work_end_within_the_grace(service: Service, tmp_path: Path) -> None:
    with running(make_config(tmp_path, service=service, grace_seconds=20.0)) as runner:
        runner.submit(shell(1, f"echo up; until [ -e {tmp_path}/go ]; do sleep 0.02; done"))
        service.wait_for(lambda: service.record(1).log)
        runner.supervisor.terminate()
        runner.submit(shell(2))
        assert service.final(2)["event"] == "returned"
        (tmp_path / "go").touch()
        assert runner.join() == 0
    assert service.final(1).get("outcome") == "succeeded"
    assert service.record(2).events == ["returned"]


def test_told_to_stop_it_stops_and_returns_what_does_not_end(service: Service, runner: Runner, tmp_path: Path) -> None:
    runner.submit(shell(1, "echo up; sleep 60"), shell(2, DEAF.format(tmp_path)))
    service.wait_for(lambda: service.record(1).log and service.record(2).log)
    runner.supervisor.terminate()
    assert runner.join() == 0
    for job in (1, 2):
        final = service.final(job)
        assert (final["event"], final["reason"]) == ("returned", "runner_stopping")
    assert not is_alive(pid_in(tmp_path / "pid"))


def test_told_twice_it_hurries(service: Service, tmp_path: Path) -> None:
    with running(make_config(tmp_path, service=service, grace_seconds=600.0)) as runner:
        runner.submit(shell(1, "echo up; sleep 600"))
        service.wait_for(lambda: service.record(1).log)
        runner.supervisor.terminate()
        runner.supervisor.terminate()
        assert runner.join() == 0
    assert service.record(1).events[-1] == "returned"


def test_stopped_while_the_api_is_away_it_ends_all_the_same(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "echo up; sleep 60"))
    service.wait_for(lambda: service.record(1).log)
    service.answer_batch = lambda items: 500
    runner.supervisor.terminate()
    runner.supervisor.terminate()
    assert runner.join() == 0


def test_drained_it_finishes_what_it_has_and_takes_no_more(service: Service, runner: Runner, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    runner.submit(shell(1, f"echo up; cat {tmp_path}/go"))
    service.wait_for(lambda: service.record(1).log)
    runner.supervisor.drain()
    runner.submit(shell(2))
    assert service.final(2)["event"] == "returned"
    (tmp_path / "go").write_text("")
    assert runner.join() == 0
    assert service.final(1)["outcome"] == "succeeded"


def test_drained_while_idle_it_ends_at_once(runner: Runner) -> None:
    runner.supervisor.drain()
    assert runner.join() == 0
