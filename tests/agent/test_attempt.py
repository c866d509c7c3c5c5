from __future__ import annotations

from runners.agent.attempt import Attempt, Delivery
from runners.agent.output import Budget
from runners.agent.protocol import LOG_PIECE_BYTES, Event, ExecuteRequest, Outcome, finished


def ended_attempt(log: bytes) -> Attempt:
    request = ExecuteRequest(job=1, attempt=1, kind="Shell", lease_seconds=60.0)
    attempt = Attempt(request, now=0.0, budget=Budget())
    attempt.started = Delivery.ACCEPTED
    attempt.output.feed(log)
    attempt.end_with(finished(Outcome.SUCCEEDED, exit_code=0))
    return attempt


def events(attempt: Attempt) -> list[Event]:
    return [report.event for report in attempt.reports(worker="w", now=1.0)]


def test_the_end_is_told_after_all_the_log() -> None:
    attempt = ended_attempt(b"x" * (5 * LOG_PIECE_BYTES))
    assert events(attempt) == [Event.LOG] * 4
    assert events(attempt) == [Event.LOG, Event.FINISHED]
    assert events(attempt) == []


def test_what_did_not_arrive_is_told_again_in_the_same_order() -> None:
    attempt = ended_attempt(b"x")
    assert events(attempt) == [Event.LOG, Event.FINISHED]
    attempt.unsend()
    assert events(attempt) == [Event.LOG, Event.FINISHED]


def test_an_attempt_is_delivered_only_with_its_log() -> None:
    attempt = ended_attempt(b"x")
    attempt.final = Delivery.ACCEPTED
    assert not attempt.is_delivered
    attempt.output.acknowledge(1)
    assert attempt.is_delivered


def test_the_repr_has_nothing_of_the_params() -> None:
    request = ExecuteRequest(job=1, attempt=1, kind="Shell", lease_seconds=60.0, params={"env": {"KEY": "s3cret"}})
    assert "s3cret" not in repr(request) + repr(Attempt(request, now=0.0, budget=Budget()))
