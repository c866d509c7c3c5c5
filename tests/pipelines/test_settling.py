"""What the ends of jobs mean for stages and pipelines (contract section 4), rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock, settling
from pipelines.models import Job, Pipeline, Stage
from runners import stops
from tests.scenes import (
    CANCELLED,
    FAILED,
    RETURNED,
    STARTED,
    SUCCEEDED,
    a_client,
    a_pipeline,
    a_runner,
    claim_all,
    go_silent,
    job,
    report,
    run,
    standing,
    states,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_waiting(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0


@pytest.fixture
def client() -> Client:
    a_runner()
    return a_client()


def tolerant(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "allow_failure": True, **fields}


def cancel(subject: Job) -> None:
    cancelling.cancel_job(subject, now=clock.now())


def cancel_all(pipeline: Pipeline) -> None:
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())


def test_stages_run_one_after_the_other_and_the_pipeline_ends_done(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"], "deploy": ["c"]})
    first = claim_all()
    assert [each.name for each in first] == ["a", "b"]
    assert standing(pipeline) == ("IN_PROGRESS", 0, ["IN_PROGRESS", "READY"])
    run(first[0])
    assert claim_all() == [first[1]]
    run(first[1])
    assert standing(pipeline) == ("IN_PROGRESS", 0, ["DONE", "READY"])
    (last,) = claim_all()
    assert last.name == "c"
    run(last)
    assert standing(pipeline) == ("DONE", 0, ["DONE", "DONE"])
    assert pipeline.started_at and pipeline.finished_at


def test_a_failure_stops_the_pipeline_and_lets_running_jobs_end(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"], "deploy": ["c"]})
    a, b = claim_all()
    assert run(a, FAILED).state == "ERROR"
    assert standing(pipeline) == ("IN_PROGRESS", 0, ["IN_PROGRESS", "READY"])
    assert states(pipeline) == {"a": "ERROR exit_code", "b": "IN_PROGRESS", "c": "CANCELLED pipeline_failed"}
    run(b)
    assert standing(pipeline) == ("ERROR", 0, ["ERROR", "CANCELLED"])


def test_a_tolerated_failure_is_a_warning_and_the_next_stage_opens(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [tolerant("a"), "b"], "deploy": ["c"]})
    a, b = claim_all()
    run(a, FAILED)
    assert standing(pipeline)[0] == "IN_PROGRESS"
    run(b)
    (c,) = claim_all()
    run(c)
    assert standing(pipeline) == ("DONE", 1, ["DONE", "DONE"])
    assert list(Stage.objects.order_by("position").values_list("warnings", flat=True)) == [1, 0]


def test_a_stage_whose_every_job_failed_as_allowed_passes(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [tolerant("a"), tolerant("b")], "deploy": ["c"]})
    for each in claim_all():
        run(each, FAILED)
    (c,) = claim_all()
    assert c.name == "c"
    run(c)
    assert standing(pipeline) == ("DONE", 2, ["DONE", "DONE"])


def test_a_job_cancelled_on_its_own_stops_the_pipeline_like_a_failure(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"], "deploy": ["c", tolerant("d")]})
    cancel(job(pipeline, "a"))
    assert states(pipeline) == {
        "a": "CANCELLED cancelled",
        "b": "CANCELLED pipeline_failed",
        "c": "CANCELLED pipeline_failed",
        "d": "CANCELLED pipeline_failed",
    }
    assert standing(pipeline) == ("CANCELLED", 0, ["CANCELLED", "CANCELLED"])


def test_a_job_cancelled_on_its_own_with_allow_failure_lets_the_pipeline_go_on(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [tolerant("a"), "b"], "deploy": ["c"]})
    cancel(job(pipeline, "a"))
    (b,) = claim_all()
    run(b)
    (c,) = claim_all()
    run(c)
    assert standing(pipeline) == ("DONE", 1, ["DONE", "DONE"])


def test_a_next_stage_emptied_by_cancels_is_passed_over(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "check": [tolerant("b"), tolerant("c")], "deploy": ["d"]})
    (a,) = claim_all()
    cancel(job(pipeline, "b"))
    cancel(job(pipeline, "c"))
    assert standing(pipeline) == ("IN_PROGRESS", 0, ["IN_PROGRESS", "READY", "READY"])
    run(a)
    (d,) = claim_all()
    assert d.name == "d"
    run(d)
    assert standing(pipeline) == ("DONE", 2, ["DONE", "DONE", "DONE"])


def test_a_later_stage_of_tolerated_jobs_that_a_failure_cancelled_did_not_pass(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": [tolerant("b"), tolerant("c")]})
    (a,) = claim_all()
    run(a, FAILED)
    assert standing(pipeline) == ("ERROR", 0, ["ERROR", "CANCELLED"])


def test_what_waits_for_its_retry_is_cancelled_when_another_job_fails(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [{"name": "a", "retry_attempt": 3}, "b"]})
    a, b = claim_all()
    assert run(a, FAILED).state == "READY"
    run(b, FAILED)
    assert states(pipeline) == {"a": "CANCELLED pipeline_failed", "b": "ERROR exit_code"}
    assert standing(pipeline) == ("ERROR", 0, ["ERROR"])


def test_what_fails_after_the_stop_is_not_retried(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", {"name": "b", "retry_attempt": 3}]})
    a, b = claim_all()
    run(a, FAILED)
    assert run(b, FAILED).state == "ERROR"
    assert standing(pipeline) == ("ERROR", 0, ["ERROR"])


@pytest.mark.parametrize("end", ["lost", "returned"])
def test_what_is_lost_or_returned_after_the_stop_is_cancelled(client: Client, end: str) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"]})
    a, b = claim_all()
    run(a, FAILED)
    assert report(b, STARTED) == [200]
    if end == "lost":
        go_silent(b)
    else:
        assert report(b, RETURNED) == [200]
    assert states(pipeline)["b"] == "CANCELLED pipeline_failed"
    assert standing(pipeline) == ("ERROR", 0, ["ERROR"])


def test_a_cancelled_pipeline_ends_once_what_ran_is_stopped(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"], "deploy": [tolerant("c")]})
    a, b = claim_all()
    assert report(a, STARTED) == report(b, STARTED) == [200]
    cancel_all(pipeline)
    assert states(pipeline) == {"a": "IN_PROGRESS", "b": "IN_PROGRESS", "c": "CANCELLED pipeline_cancelled"}
    stops.stop_attempts(now=clock.now())
    assert report(a, CANCELLED) == [200]
    assert report(b, SUCCEEDED) == [200]
    assert states(pipeline)["a"] == "CANCELLED pipeline_cancelled"
    assert states(pipeline)["b"] == "DONE"
    assert standing(pipeline) == ("CANCELLED", 0, ["CANCELLED", "CANCELLED"])


def test_a_cancel_that_comes_too_late_to_cancel_anything_leaves_the_pipeline_done(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    cancel_all(pipeline)
    assert report(a, SUCCEEDED) == [200]
    assert standing(pipeline) == ("DONE", 0, ["DONE"])


def test_an_error_outweighs_the_cancel(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"], "deploy": ["c"]})
    a, b = claim_all()
    assert report(b, STARTED) == [200]
    run(a, FAILED)
    cancel_all(pipeline)
    assert report(b, CANCELLED) == [200]
    assert standing(pipeline) == ("ERROR", 0, ["ERROR", "CANCELLED"])


def test_a_cancelled_pipeline_is_cancelled_though_the_failures_were_allowed(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [tolerant("a"), tolerant("b")]})
    a, _ = claim_all()
    run(a, FAILED)
    cancel_all(pipeline)
    stops.stop_attempts(now=clock.now())
    assert states(pipeline) == {"a": "ERROR exit_code", "b": "CANCELLED pipeline_cancelled"}
    assert standing(pipeline) == ("CANCELLED", 1, ["CANCELLED"])


def test_a_pipeline_of_which_nothing_ran_can_end(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [tolerant("a")], "deploy": [tolerant("b")]})
    cancel(job(pipeline, "a"))
    cancel(job(pipeline, "b"))
    assert standing(pipeline) == ("DONE", 2, ["DONE", "DONE"])
    assert pipeline.started_at is None


def test_settling_again_changes_nothing(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": [tolerant("a"), "b"], "deploy": ["c"]})
    a, b = claim_all()

    def snapshot() -> list[Any]:
        rows = (Pipeline.objects.values(), Stage.objects.order_by("pk").values(), Job.objects.order_by("pk").values())
        return [list(each) for each in rows]

    steps: list[Callable[[], Job]] = [lambda: run(a, FAILED), lambda: run(b), lambda: run(claim_all()[0], FAILED)]
    for step in steps:
        step()
        before = snapshot()
        with transaction.atomic():
            Pipeline.objects.lock([pipeline.pk])
            settling.settle([pipeline.pk], now=clock.now())
        assert snapshot() == before
    assert standing(pipeline) == ("ERROR", 1, ["DONE", "ERROR"])


def test_an_undivided_pipeline_is_left_alone(client: Client, settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    pipeline = a_pipeline(client, {"build": ["a"]})
    settling.settle([pipeline.pk], now=clock.now())
    assert standing(pipeline) == ("READY", 0, [])


def test_pipelines_are_settled_as_a_set_each_on_its_own(client: Client) -> None:
    pipelines = [a_pipeline(client, {"build": ["a"], "deploy": ["b"]}, name=str(n)) for n in range(3)]
    for each, end in zip(claim_all(), (SUCCEEDED, FAILED, CANCELLED), strict=True):
        run(each, end)
    assert [standing(each)[0] for each in pipelines] == ["IN_PROGRESS", "ERROR", "ERROR"]
