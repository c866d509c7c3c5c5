"""What an attempt's end means for its job (contract section 4): every outcome, with and without a cancel or a stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from pipelines.models import Job
from pipelines.states import State
from runners.models import Outcome
from runners.verdicts import NEVER_STARTED, RUNNER_LOST, Verdict, backoff, decide

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def verdict(
    outcome: Outcome, *, reason: str = "", stopped: bool = False, cancelled: bool = False, **job: Any
) -> Verdict:
    return decide(
        Job(**job),
        outcome=outcome,
        reason=reason,
        pipeline_stopped=stopped or cancelled,
        pipeline_cancelled=cancelled,
        now=NOW,
    )


def where(decided: Verdict) -> str:
    return f"CANCELLED {decided.cancelled}" if decided.cancelled else str(decided.target)


FAILING = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED)
GOING = (Outcome.LOST, Outcome.RETURNED)


@pytest.mark.parametrize("asked", [None, NOW])
@pytest.mark.parametrize("stopped", [False, True])
def test_success_is_done_whatever_was_asked_meanwhile(asked: datetime | None, stopped: bool) -> None:
    decided = verdict(Outcome.SUCCEEDED, stopped=stopped, cancel_requested_at=asked, failures=9, losses=9)
    assert decided == Verdict(State.DONE, {"progress": 100})


@pytest.mark.parametrize("outcome", [*FAILING, *GOING])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_job_whose_cancel_was_asked_is_cancelled_by_any_other_end(outcome: Outcome, stopped: bool) -> None:
    decided = verdict(outcome, stopped=stopped, cancel_requested_at=NOW, retry_attempt=5)
    assert where(decided) == "CANCELLED cancelled"
    assert decided.target == State.READY  # on its way: the design has no edge from IN_PROGRESS to CANCELLED
    assert where(verdict(outcome, cancelled=True, cancel_requested_at=NOW)) == "CANCELLED pipeline_cancelled"


@pytest.mark.parametrize("outcome", FAILING)
@pytest.mark.parametrize(
    ("failures", "retries", "state"),
    [(0, 0, "ERROR"), (0, 1, "READY"), (1, 1, "ERROR"), (1, 2, "READY"), (2, 2, "ERROR"), (9, 2, "ERROR")],
)
def test_a_failure_is_retried_while_fewer_than_one_and_the_retries_failed(
    outcome: Outcome, failures: int, retries: int, state: str
) -> None:
    decided = verdict(outcome, failures=failures, retry_attempt=retries, losses=7, unstarted=7)
    assert where(decided) == state
    assert decided.values["failures"] == failures + 1
    assert {"losses", "unstarted"}.isdisjoint(decided.values)


@pytest.mark.parametrize("outcome", FAILING)
def test_a_failure_after_the_pipeline_stopped_is_final(outcome: Outcome) -> None:
    assert where(verdict(outcome, stopped=True, retry_attempt=5)) == "ERROR"


@pytest.mark.parametrize("outcome", GOING)
@pytest.mark.parametrize("reason", ["", NEVER_STARTED])
def test_what_is_lost_or_returned_after_the_pipeline_stopped_is_cancelled(outcome: Outcome, reason: str) -> None:
    decided = verdict(outcome, reason=reason, stopped=True, losses=99, unstarted=99)
    assert where(decided) == "CANCELLED pipeline_failed"


@pytest.mark.parametrize(
    ("losses", "limit", "state"), [(0, 3, "READY"), (2, 3, "READY"), (3, 3, "ERROR"), (0, 0, "ERROR")]
)
def test_a_loss_is_off_the_client_s_budget_up_to_the_limit(
    settings: Settings, losses: int, limit: int, state: str
) -> None:
    settings.LOSS_LIMIT = limit
    decided = verdict(Outcome.LOST, reason="lease_over", losses=losses, failures=0, retry_attempt=0)
    assert where(decided) == state
    assert decided.values["losses"] == losses + 1
    assert "failures" not in decided.values
    assert decided.values.get("reason") == (RUNNER_LOST if state == "ERROR" else None)


@pytest.mark.parametrize("reason", ["", "runner_stopping"])
def test_a_return_costs_nothing_however_often(reason: str) -> None:
    decided = verdict(Outcome.RETURNED, reason=reason, losses=3, failures=1, unstarted=9, retry_attempt=1)
    assert where(decided) == "READY"
    assert set(decided.values) == {"unstarted", "eligible_at"}
    assert decided.values["unstarted"] == 0
    assert decided.values["eligible_at"] > NOW


def test_ten_attempts_in_a_row_that_never_started_end_the_job() -> None:
    for unstarted in range(9):
        decided = verdict(Outcome.RETURNED, reason=NEVER_STARTED, unstarted=unstarted)
        assert (where(decided), decided.values["unstarted"]) == ("READY", unstarted + 1)
    last = verdict(Outcome.RETURNED, reason=NEVER_STARTED, unstarted=9)
    assert (where(last), last.values["reason"]) == ("ERROR", "never_started")


def pauses(failures: int) -> list[float]:
    return [backoff(failures).total_seconds() for _ in range(300)]


def test_the_pause_doubles_with_every_failure_and_is_jittered(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 1
    for failures, seconds in [(1, 1), (2, 2), (3, 4), (7, 64)]:
        drawn = pauses(failures)
        assert 0.8 * seconds <= min(drawn) < 0.9 * seconds
        assert 1.1 * seconds < max(drawn) <= 1.2 * seconds


@pytest.mark.parametrize("failures", [9, 10, 31, 10_000])
def test_the_pause_never_exceeds_its_cap_and_is_jittered_there_too(settings: Settings, failures: int) -> None:
    settings.RETRY_BACKOFF_SECONDS = 2
    drawn = pauses(failures)
    assert min(drawn) >= 200 and max(drawn) <= 300
    assert len(set(drawn)) > 100


def test_no_pause_where_none_is_wanted(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    assert backoff(5) == timedelta(0)
