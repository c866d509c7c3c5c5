"""The divider, in the request and as a task; and the sweep that makes up for a lost message."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock, division, sweeping
from pipelines.models import Job, Pipeline, Stage, Submission
from pipelines.tasks import divide, sweep
from tests.concurrency import begin, result, together, wait_until_blocked
from tests.scenes import a_client, a_document, a_pipeline, a_runner, claim_all, job, run, standing, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return a_client()


@pytest.fixture
def undivided(client: Client, settings: Settings) -> Pipeline:
    settings.DIVIDE_INLINE_MAX_JOBS = 2
    return a_pipeline(client, {"build": ["a", "b"], "deploy": ["c"]}, priority=3)


def later() -> Any:
    return clock.now() + timedelta(seconds=60)


def spoil(pipeline: Pipeline, **fields: Any) -> None:
    """Have the kept document be one that cannot be divided."""
    submission = Submission.objects.get(pipeline=pipeline)
    document = json.loads(submission.document)
    shared = document["shared"][document["alike"][1]]
    for name, value in fields.items():
        if name in shared:
            shared[name] = value
        else:
            document[name][1] = value
    submission.document = json.dumps(document)
    submission.save()


def test_jobs_are_made_in_document_order_and_only_the_first_stage_is_open(client: Client) -> None:
    pipeline = a_pipeline(
        client,
        {"build": ["z", {"name": "a", "priority": 1, "retry_attempt": 2, "timeout": 7}], "deploy": ["m"]},
        priority=3,
    )
    jobs = list(pipeline.jobs.order_by("id"))
    assert [each.name for each in jobs] == ["z", "a", "m"]
    assert [each.eligible_at is not None for each in jobs] == [True, True, False]
    assert [each.stage_position for each in jobs] == [0, 0, 1]
    assert {(each.pipeline_priority, each.client_id, each.state) for each in jobs} == {(3, client.pk, "READY")}
    assert (jobs[1].priority, jobs[1].retry_attempt, jobs[1].timeout) == (1, 2, 7)
    assert [stage.opened_at is not None for stage in pipeline.stages.order_by("position")] == [True, False]
    assert pipeline.divided and pipeline.declared_jobs == 3


def test_odd_text_in_params_and_names_arrives_as_it_is(client: Client) -> None:
    odd = 'tab\t newline\n backslash \\N \\. quote " \u2028 \U0001f680'
    pipeline = a_pipeline(client, {"build": [{"name": "\\N", "params": {"command": odd}}]})
    (made,) = pipeline.jobs.all()
    assert (made.name, made.params) == ("\\N", {"command": odd})


def test_a_large_document_is_kept_and_divided_by_the_task(undivided: Pipeline) -> None:
    assert (undivided.divided, undivided.declared_jobs, undivided.jobs.count()) == (False, 3, 0)
    divide(undivided.pk)
    undivided.refresh_from_db()
    assert undivided.divided
    assert states(undivided) == {"a": "READY", "b": "READY", "c": "READY"}
    assert not Submission.objects.exists()
    a_runner()
    for each in claim_all():
        run(each)
    run(claim_all()[0])
    assert standing(undivided) == ("DONE", 0, ["DONE", "DONE"])


def test_dividing_again_changes_nothing(undivided: Pipeline) -> None:
    assert division.divide_submitted(undivided.pk) is True
    assert division.divide_submitted(undivided.pk) is False
    assert Job.objects.count() == 3


def test_a_pipeline_that_is_gone_is_passed_over() -> None:
    assert division.divide_submitted(12345) is False


def test_the_sweep_divides_what_a_lost_message_left_and_leaves_what_is_on_its_way(undivided: Pipeline) -> None:
    sweep()
    assert not Job.objects.exists()
    sweeping.sweep(now=later())
    assert Job.objects.count() == 3


def test_a_pipeline_cancelled_before_its_division_ends_without_jobs(undivided: Pipeline) -> None:
    cancelling.cancel_pipeline(undivided.pk, now=clock.now())
    assert standing(undivided) == ("CANCELLED", 0, [])
    assert not Submission.objects.exists()
    divide(undivided.pk)
    assert not Job.objects.exists()


def test_a_priority_changed_before_the_division_holds(undivided: Pipeline) -> None:
    Pipeline.objects.filter(pk=undivided.pk).update(priority=1)
    divide(undivided.pk)
    assert set(Job.objects.values_list("pipeline_priority", flat=True)) == {1}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a"},
        {"priority": 99_999},
        {"priority": -1},
        {"priority": "high"},
        {"stage": "nowhere"},
        {"kind": None},
        {"name": "n" * 300},
    ],
)
def test_a_division_that_fails_for_good_ends_the_pipeline_in_error(undivided: Pipeline, fields: dict[str, Any]) -> None:
    spoil(undivided, **fields)
    divide(undivided.pk)
    assert standing(undivided) == ("ERROR", 0, [])
    assert undivided.reason == "division_failed"
    assert not undivided.divided
    assert not Submission.objects.exists() and not Stage.objects.exists() and not Job.objects.exists()


def test_a_kept_document_that_yields_other_than_the_declared_jobs_is_no_empty_pipeline(undivided: Pipeline) -> None:
    Submission.objects.update(document=json.dumps({"stages": ["build", "deploy"], "jobs": [{"name": "a"}]}))
    divide(undivided.pk)
    assert standing(undivided) == ("ERROR", 0, [])
    assert undivided.reason == "division_failed"


def test_one_division_that_fails_keeps_the_sweep_from_nothing_else(undivided: Pipeline, client: Client) -> None:
    other = a_pipeline(client, {"build": ["a", "b", "c"]})
    spoil(undivided, priority=99_999)
    sweeping.sweep(now=later())
    other.refresh_from_db()
    assert other.divided


def test_a_submission_lost_altogether_ends_the_pipeline(undivided: Pipeline) -> None:
    Submission.objects.all().delete()
    divide(undivided.pk)
    assert standing(undivided) == ("ERROR", 0, [])


def test_a_crash_in_the_middle_leaves_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: Any, **kwargs: Any) -> None:
        raise MemoryError

    pipeline = Pipeline.objects.create(client=client, declared_jobs=2)
    Submission.objects.create(pipeline=pipeline, document=a_document({"build": ["a", "b"]}).to_json().decode())
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(division, "_divide_kept", crash)
        divide(pipeline.pk)
    assert not Stage.objects.exists()
    assert standing(pipeline) == ("READY", 0, [])
    divide(pipeline.pk)  # the message or the sweep comes again
    assert states(pipeline) == {"a": "READY", "b": "READY"}


def test_a_database_that_goes_away_does_not_end_the_pipeline(
    undivided: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("server closed the connection")

    monkeypatch.setattr(division, "_divide_kept", gone)
    with pytest.raises(DatabaseError):
        divide(undivided.pk)
    assert standing(undivided) == ("READY", 0, [])
    assert Submission.objects.exists()


def test_a_division_that_cannot_be_done_now_keeps_the_sweep_from_nothing_else(
    undivided: Pipeline, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = a_pipeline(client, {"build": ["a", "b", "c"]})
    divide_submitted = division.divide_submitted

    def fail_first(pipeline_id: int) -> bool:
        if pipeline_id == undivided.pk:
            raise DatabaseError("statement timeout")
        return divide_submitted(pipeline_id)

    monkeypatch.setattr(division, "divide_submitted", fail_first)
    sweeping.sweep(now=later())
    assert standing(undivided)[0] == "READY" and not undivided.divided
    other.refresh_from_db()
    assert other.divided


@pytest.mark.django_db(transaction=True)
def test_two_workers_divide_a_pipeline_once(settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    pipeline = a_pipeline(a_client(), {"build": ["a", "b"]})
    outcomes = together(*[lambda: division.divide_submitted(pipeline.pk)] * 2)
    assert sorted(outcomes) == [False, True]
    assert states(pipeline) == {"a": "READY", "b": "READY"}


@pytest.mark.django_db(transaction=True)
def test_a_cancel_during_the_division_finds_the_jobs(settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    pipeline = a_pipeline(a_client(), {"build": ["a"]})
    with transaction.atomic():
        assert division.divide_submitted(pipeline.pk)
        cancel = begin(lambda: cancelling.cancel_pipeline(pipeline.pk, now=clock.now()))
        wait_until_blocked(cancel)
    result(cancel)
    assert states(pipeline) == {"a": "CANCELLED pipeline_cancelled"}
    assert standing(pipeline) == ("CANCELLED", 0, ["CANCELLED"])


def test_ten_thousand_jobs_are_a_handful_of_statements(client: Client, django_assert_max_num_queries: Any) -> None:
    document = a_document({"build": [f"job {n}" for n in range(10_000)]})
    with django_assert_max_num_queries(1):
        pipeline, _ = division.divide(client, document=document, now=None)
    assert Job.objects.count() == 10_000
    assert job(pipeline, "job 9999").pk - job(pipeline, "job 0").pk == 9_999
