"""What the claim makes of a job it hands out, and what its runner is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from pipelines import nudges
from pipelines.models import Pipeline
from runners import pool
from runners.models import Attempt, Runner
from tests.recorder import Recorder
from tests.scenes import a_client, a_pipeline, a_runner, claim_all, run

pytestmark = pytest.mark.django_db


def test_a_claim_is_an_attempt_with_a_lease_and_is_sent_to_its_runner(settings: Settings, told: Recorder) -> None:
    settings.LEASE_SECONDS, settings.PUBLIC_URL = 45, "https://here.example"
    runner = a_runner()
    pipeline = a_pipeline(a_client(), {"s": [{"name": "a", "timeout": 5, "params": {"command": "date"}}]})
    (a,) = claim_all()
    attempt = Attempt.objects.get()
    assert (attempt.job, attempt.number, attempt.runner, attempt.runner_name) == (a, 1, runner, "local")
    assert attempt.lease_until - attempt.claimed_at == timedelta(seconds=45)
    assert (a.state, a.attempt, a.runner_name, a.started_at) == ("IN_PROGRESS", 1, "local", None)
    ((name, request),) = told.requests
    assert (name, request["job"], request["attempt"], request["timeout"]) == ("local", a.pk, 1, 5)
    assert request["params"] == {"command": "date"}
    assert request["report_url"] == f"https://here.example/api/v1/jobs/{a.pk}/report/"
    assert request["lease_seconds"] == 45
    pipeline.refresh_from_db()
    assert pipeline.state == "IN_PROGRESS" and pipeline.started_at == attempt.claimed_at


def test_a_new_attempt_starts_with_a_clean_slate(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_runner()
    a_pipeline(a_client(), {"s": [{"name": "a", "retry_attempt": 1}]})
    failed = {"event": "finished", "outcome": "failed", "exit_code": 3, "message": "no", "reason": "x", "result": [1]}
    a = run(claim_all()[0], {"event": "progress", "progress": 60}, failed)
    assert (a.exit_code, a.message, a.reason, a.result, a.progress) == (3, "no", "x", [1], 60)
    (a,) = claim_all()
    assert (a.attempt, a.exit_code, a.message, a.reason, a.result, a.progress) == (2, None, "", "", None, 0)
    assert (a.failures, a.started_at) == (1, None)
    assert Pipeline.objects.get().state == "IN_PROGRESS"


def test_a_round_without_room_says_so_and_one_that_lacks_only_work_does_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    monkeypatch.setattr(nudges, "round_found_no_room", lambda: said.append("full"))
    settings.QUEUE_SIZE = 1
    runner = a_runner(capacity=1)
    assert (pool.top_up(), said) == (0, [])
    a_pipeline(a_client(), {"s": ["a", "b"]})
    assert (pool.top_up(), said) == (1, [])
    assert (pool.top_up(), said) == (0, ["full"])  # the pool
    settings.QUEUE_SIZE = 2
    assert (pool.top_up(), said) == (0, ["full"] * 2)  # the runner
    Runner.objects.filter(pk=runner.pk).update(capacity=2)
    assert (pool.top_up(), said) == (1, ["full"] * 2)
