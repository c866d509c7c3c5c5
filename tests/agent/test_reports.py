"""Reports on their way: nothing lost, nothing twice, nothing begun that was not allowed."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runners.agent.protocol import LOG_PIECE_BYTES, MAX_BODY_BYTES
from tests.agent.processes import pid_in, wait_until_dead
from tests.agent.runner import Runner, make_config, running, shell
from tests.agent.service import Service, serving


def test_it_shows_that_it_is_online_at_once_and_again(service: Service, tmp_path: Path) -> None:
    with running(make_config(tmp_path, service=service, offline_seconds=0.3)):
        service.wait_for(lambda: len(service.batches) >= 3)
    assert service.batches == [0] * len(service.batches)


def test_work_that_may_not_start_is_never_run(service: Service, runner: Runner, tmp_path: Path) -> None:
    service.answer_item = lambda item: {"status": 409} if item["job"] == 1 else None
    runner.submit(shell(1, f"touch {tmp_path}/ran"))
    runner.submit(shell(2))
    service.final(2)
    runner.supervisor.drain()
    assert runner.join() == 0
    assert not (tmp_path / "ran").exists()
    assert service.record(1).events == []


def test_it_begins_only_after_the_answer(service: Service, runner: Runner, tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def wait(items: list[dict[str, Any]]) -> None:
        if items:
            asked.set()
            answer.wait(10)

    service.answer_batch = wait
    runner.submit(shell(1, f"touch {tmp_path}/ran"))
    assert asked.wait(10)
    assert not (tmp_path / "ran").exists()
    answer.set()
    assert service.final(1)["outcome"] == "succeeded"
    assert (tmp_path / "ran").exists()


def test_the_same_request_is_executed_once(service: Service, runner: Runner, tmp_path: Path) -> None:
    request = shell(1, f"echo x >> {tmp_path}/runs")
    runner.submit(request, request)
    service.final(1)
    runner.submit(request, shell(2))
    service.final(2)
    runner.supervisor.drain()
    assert runner.join() == 0
    assert (tmp_path / "runs").read_text() == "x\n"
    assert service.record(1).events.count("started") == 1


def test_what_is_no_request_holds_up_nothing(service: Service, runner: Runner) -> None:
    runner.supervisor.submit([None, {}, {"job": "x"}, shell(1) | {"params": []}, shell(2)])
    assert service.final(2)["outcome"] == "succeeded"


@pytest.mark.parametrize("status", [500, 503, 429, 401, 404])
def test_what_is_reported_while_the_api_fails_arrives_later(
    service: Service, runner: Runner, tmp_path: Path, status: int
) -> None:
    os.mkfifo(tmp_path / "go")
    runner.submit(shell(1, f"echo before; cat {tmp_path}/go; echo after; exit 4"))
    service.wait_for(lambda: service.record(1).log)
    service.answer_batch = lambda items: status
    (tmp_path / "go").write_text("go\n")
    service.wait_for(lambda: service.refused >= 2)
    service.answer_batch = lambda items: None
    assert service.final(1)["exit_code"] == 4
    assert service.record(1).text == "before\ngo\nafter\n"
    assert service.record(1).events.count("finished") == 1


def test_nothing_is_lost_or_doubled_when_the_answer_is_lost(service: Service, runner: Runner) -> None:
    """The service took the batch, the runner cannot know: it says all of it again."""
    lost: set[str] = set()

    def lose(item: dict[str, Any]) -> dict[str, Any] | None:
        return None

    def lose_once(items: list[dict[str, Any]]) -> int | None:
        kinds = {item["event"] for item in items}
        if kinds and not kinds <= lost:
            lost.update(kinds)
            for item in items:
                service._answer(item)
            return 502
        return None

    service.answer_item = lose
    service.answer_batch = lose_once
    runner.submit(shell(1, "echo one; sleep 0.3; echo two"))
    service.final(1)
    service.wait_for(lambda: {"started", "log", "finished"} <= lost)
    runner.supervisor.drain()
    assert runner.join() == 0
    assert service.record(1).text == "one\ntwo\n"


def test_the_api_can_be_away_altogether(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    with ExitStack() as stack:
        with serving() as service:
            runner = stack.enter_context(running(make_config(tmp_path, service=service)))
            runner.submit(shell(1, f"echo before; cat {tmp_path}/go; echo after"))
            before = service.record(1)
            service.wait_for(lambda: before.log)
        (tmp_path / "go").write_text("")
        again = stack.enter_context(serving(service.server_address[1]))
        again.record(1).log += before.log
        assert again.final(1)["outcome"] == "succeeded"
        assert again.record(1).text == "before\nafter\n"
        runner.close()


def test_it_goes_back_to_what_the_service_holds_of_a_log(service: Service, runner: Runner) -> None:
    record = service.record(1)
    forgotten = threading.Event()

    def forget(item: dict[str, Any]) -> dict[str, Any] | None:
        if item["event"] == "log" and not forgotten.is_set():
            forgotten.set()
            return {"status": 416, "size": 0}
        return None

    service.answer_item = forget
    runner.submit(shell(1, "echo one; sleep 0.3; echo two"))
    service.final(1)
    service.wait_for(lambda: record.text == "one\ntwo\n")
    assert forgotten.is_set()


def test_a_refused_log_does_not_hold_up_the_result(service: Service, runner: Runner) -> None:
    service.answer_item = lambda item: {"status": 400} if item["event"] == "log" else None
    runner.submit(shell(1, "echo one; exit 5"), shell(2))
    assert service.final(1)["exit_code"] == 5
    assert service.final(2)["outcome"] == "succeeded"


def test_a_batch_refused_for_one_item_is_sent_in_parts(service: Service, runner: Runner) -> None:
    service.answer_batch = lambda items: 400 if any(item["job"] == 3 for item in items) else None
    runner.submit(*[shell(job) for job in range(1, 7)])
    for job in (1, 2, 4, 5, 6):
        assert service.final(job)["outcome"] == "succeeded"
    assert service.record(3).events == []


def test_a_body_too_large_is_made_smaller(service: Service, runner: Runner) -> None:
    limit = 150_000
    service.answer_batch = lambda items: 413 if len(items) > 3 or service.bodies[-1] > 2 * LOG_PIECE_BYTES else None
    runner.submit(*[shell(job, f"head -c {limit} /dev/zero | tr '\\0' x") for job in range(1, 6)])
    for job in range(1, 6):
        service.final(job)
        assert len(service.record(job).log) == limit


def test_a_long_log_travels_in_pieces_within_the_limits(service: Service, runner: Runner) -> None:
    size = 3 * 2**20 + 1
    runner.submit(
        *[shell(job, f"head -c {size} /dev/zero | tr '\\0' '\\033'") for job in (1, 2, 3)]
    )  # six times its size in JSON
    for job in (1, 2, 3):
        service.final(job)
        record = service.record(job)
        assert len(record.log) == size
        assert record.events[-1] == "finished"
        assert max(len(item["text"]) for item in record.items if item["event"] == "log") <= LOG_PIECE_BYTES
    assert max(service.bodies) <= MAX_BODY_BYTES


def test_a_flood_waits_while_the_api_is_away(service: Service, runner: Runner, tmp_path: Path) -> None:
    """Memory stays bounded: the pipe is read no further, so the work waits in its write."""
    runner.submit(shell(1, f"echo $$ > {tmp_path}/pid; exec cat /dev/urandom"))
    service.wait_for(lambda: service.record(1).log)
    service.answer_batch = lambda items: 500
    service.wait_for(lambda: service.refused >= 4)
    held = runner.supervisor.held_log_bytes
    service.wait_for(lambda: service.refused >= 6)
    assert runner.supervisor.held_log_bytes == held
    assert 2**20 <= held < 2**21
    service.answer_batch = lambda items: None
    before = len(service.record(1).log)
    service.wait_for(lambda: len(service.record(1).log) > before + 2 * 2**20)
    service.cancelled.add((1, 1))
    assert service.final(1)["outcome"] == "cancelled"
    wait_until_dead(pid_in(tmp_path / "pid"))


def test_many_jobs_share_batches(service: Service, runner: Runner) -> None:
    runner.submit(*[shell(job) for job in range(1, 101)])
    for job in range(1, 101):
        assert service.final(job)["outcome"] == "succeeded"
    assert len(service.batches) < 100
