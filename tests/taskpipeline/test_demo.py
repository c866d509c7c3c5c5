from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from pipelines.states import State
from taskpipeline.stack.demo import view
from taskpipeline.stack.demo.following import follow, show_failures
from taskpipeline.stack.exceptions import StoppedError


def job(number: int, state: str, **fields: Any) -> dict[str, Any]:
    times: dict[str, str | None] = {"started_at": None, "finished_at": None}
    if state == State.DONE:
        times = {"started_at": "2030-01-01T00:00:00Z", "finished_at": "2030-01-01T00:00:01.500Z"}
    defaults = {"id": number, "name": f"job {number}", "attempt": 1, "allow_failure": False, "reason": ""}
    return {**defaults, "state": state, **times, **fields}


def pipeline(state: str, *jobs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    ended = "2030-01-01T00:00:02Z" if state in (State.DONE, State.ERROR) else None
    times = {"started_at": "2030-01-01T00:00:00Z", "finished_at": ended}
    shown = {"id": 1, "name": "one", "state": state, "progress": 50, "warnings": 0, **times, **fields}
    return {**shown, "stages": [{"name": "stage", "jobs": list(jobs)}]}


class FakeService:
    """A service whose pipeline goes through the given moments."""

    def __init__(self, *moments: dict[str, Any]) -> None:
        self.moments = list(moments)

    def pipeline(self, number: int) -> dict[str, Any]:
        return self.moments.pop(0)

    def attempts(self, job: int) -> list[dict[str, Any]]:
        return [
            {"number": 1, "outcome": "timed_out", "exit_code": None},
            {"number": 2, "outcome": "succeeded", "exit_code": 0},
        ]

    def end_of_log(self, job: int, *, attempt: int) -> str:
        return f"log of attempt {attempt}"


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=100)


def printed(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_every_move_of_a_job_is_a_line_where_nothing_can_be_drawn_over(console: Console) -> None:
    first = pipeline(State.READY, job(1, State.READY, attempt=0), job(2, State.READY, attempt=0))
    service = FakeService(
        pipeline(State.IN_PROGRESS, job(1, State.IN_PROGRESS), job(2, State.READY)),
        pipeline(State.DONE, job(1, State.DONE), job(2, State.DONE, attempt=2)),
    )

    ended = follow(service, first, console=console, tend=lambda seconds: True)

    assert ended["state"] == State.DONE
    assert [line.split() for line in printed(console).splitlines()] == [
        ["IN", "PROGRESS", "job", "1"],
        ["READY", "job", "2", "to", "be", "tried", "again"],
        ["DONE", "job", "1"],
        ["DONE", "job", "2", "succeeded", "when", "retried"],
    ]


def test_a_request_to_stop_ends_the_watching(console: Console) -> None:
    with pytest.raises(StoppedError):
        follow(FakeService(), pipeline(State.READY), console=console, tend=lambda seconds: False)


def test_the_table_tells_times_and_what_was_tolerated(console: Console) -> None:
    failed = job(2, State.ERROR, allow_failure=True, reason="exit_code")
    console.print(view.table(pipeline(State.DONE, job(1, State.DONE), failed, warnings=2)))

    lines = printed(console).splitlines()
    assert any(line.split() == ["stage", "job", "1", "DONE", "1", "1.5"] for line in lines)
    assert any(line.split() == ["job", "2", "ERROR", "1", "tolerated"] for line in lines)
    assert lines[-1].strip() == "Pipeline DONE in 2.0 s with 2 tolerated failures"


def test_the_logs_shown_are_those_of_attempts_that_did_not_succeed(console: Console) -> None:
    show_failures(FakeService(), pipeline(State.DONE, job(1, State.DONE)), console=console)

    assert "job 1: attempt 1 timed out" in printed(console)
    assert "log of attempt 1" in printed(console)
    assert "attempt 2" not in printed(console)


def test_a_log_does_not_steer_the_terminal(console: Console) -> None:
    log = "\x1b[2Jred\x1b]0;title\x07\n\x9b31mgone\rback\n"
    view.show_failure(console, job(1, State.ERROR), attempt={"number": 1, "outcome": "failed", "exit_code": 1}, log=log)
    text = printed(console)
    assert "[2Jred" in text
    assert "back" in text
    assert not set(text) & set("\x1b\x9b\x07\r")
