from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock, editing
from pipelines.definition import JobSpec
from pipelines.exceptions import InvalidTransition, NameTaken, UnknownStage
from pipelines.models import Job, Pipeline
from tests.scenes import (
    FAILED,
    STARTED,
    a_client,
    a_document,
    a_pipeline,
    a_runner,
    claim_all,
    job,
    report,
    run,
    standing,
    states,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    a_runner()
    return a_client()


def spec(name: str, stage: str, **fields: Any) -> JobSpec:
    return a_document({stage: [{"name": name, **fields}]}).jobs[0]


def add(pipeline: Pipeline, name: str, stage: str, **fields: Any) -> Job:
    return editing.add_job(pipeline, spec=spec(name, stage, **fields))


def test_a_pipeline_s_new_priority_holds_for_the_jobs_that_wait_and_those_that_may_come_back(
    client: Client, settings: Settings
) -> None:
    settings.QUEUE_SIZE, settings.RETRY_BACKOFF_SECONDS = 1, 0
    late = a_pipeline(client, {"build": [{"name": "a", "retry_attempt": 1}, "b"]}, priority=5)
    a_pipeline(client, {"build": ["c", "d"]}, priority=6)
    (a,) = claim_all()
    assert a.name == "a"
    editing.edit_pipeline(late, values={"priority": 9})
    run(a, FAILED)
    order = []
    while running := claim_all():
        order.append(running[0].name)
        run(running[0])
    assert order == ["c", "d", "a", "b"]


def test_a_pipeline_that_has_ended_is_not_edited(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"]})
    run(claim_all()[0])
    with pytest.raises(InvalidTransition):
        editing.edit_pipeline(pipeline, values={"name": "new"})


def test_a_ready_job_is_edited_and_no_other(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
    claim_all()
    assert editing.edit_job(job(pipeline, "b"), values={"priority": 1, "timeout": 5}).timeout == 5
    with pytest.raises(InvalidTransition, match="IN_PROGRESS"):
        editing.edit_job(job(pipeline, "a"), values={"priority": 1})
    assert job(pipeline, "a").priority == 10


def test_a_job_added_to_the_open_stage_is_eligible_at_once_and_to_a_later_one_when_it_opens(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
    (a,) = claim_all()
    assert add(pipeline, "late", "build").eligible_at is not None
    assert add(pipeline, "later", "deploy").eligible_at is None
    run(a)
    (late,) = claim_all()
    assert late.name == "late"
    run(late)
    assert sorted(each.name for each in claim_all()) == ["b", "later"]


def test_a_job_is_not_added_where_it_cannot_run(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
    with pytest.raises(NameTaken):
        add(pipeline, "b", "build")
    with pytest.raises(UnknownStage):
        add(pipeline, "c", "nowhere")
    run(claim_all()[0])
    with pytest.raises(InvalidTransition, match="stage is DONE"):
        add(pipeline, "c", "build")
    run(claim_all()[0])
    with pytest.raises(InvalidTransition, match="pipeline is DONE"):
        add(pipeline, "c", "deploy")


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_a_stopped_pipeline_takes_no_jobs(client: Client, how: str) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"]})
    a, b = claim_all()
    assert report(b, STARTED) == [200]
    if how == "failed":
        run(a, FAILED)
    else:
        cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    with pytest.raises(InvalidTransition):
        add(pipeline, "c", "build")


def test_an_undivided_pipeline_takes_no_jobs(client: Client, settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    with pytest.raises(InvalidTransition):
        add(a_pipeline(client, {"build": ["a"]}), "b", "build")


def test_deleting_the_job_a_stage_waited_for_opens_the_next(client: Client, settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    pipeline = a_pipeline(client, {"build": ["a", "b"], "deploy": ["c"]})
    run(claim_all()[0])
    editing.delete_job(job(pipeline, "b"))
    assert standing(pipeline)[2] == ["DONE", "READY"]
    assert [each.name for each in claim_all()] == ["c"]


def test_deleting_the_last_unfinished_job_ends_the_pipeline(client: Client, settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    pipeline = a_pipeline(client, {"build": ["a", "b"]})
    run(claim_all()[0])
    editing.delete_job(job(pipeline, "b"))
    assert standing(pipeline) == ("DONE", 0, ["DONE"])


def test_only_a_ready_job_never_attempted_that_is_not_its_stage_s_last_is_deleted(
    client: Client, settings: Settings
) -> None:
    settings.QUEUE_SIZE = 2
    settings.RETRY_BACKOFF_SECONDS = 300
    pipeline = a_pipeline(client, {"build": [{"name": "a", "retry_attempt": 1}, "b", "c"], "deploy": ["d"]})
    a, _ = claim_all()
    run(a, FAILED)
    for name, why in (("a", "never attempted"), ("b", "never attempted"), ("d", "stage's last")):
        with pytest.raises(InvalidTransition, match=why):
            editing.delete_job(job(pipeline, name))
    editing.delete_job(job(pipeline, "c"))
    assert set(states(pipeline)) == {"a", "b", "d"}


def test_what_was_deleted_meanwhile_is_not_there(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a", "b"]})
    gone = job(pipeline, "b")
    editing.delete_job(gone)
    with pytest.raises(Job.DoesNotExist):
        editing.delete_job(gone)
    with pytest.raises(Job.DoesNotExist):
        cancelling.cancel_job(gone, now=clock.now())
    with pytest.raises(Pipeline.DoesNotExist):
        cancelling.cancel_pipeline(12345, now=clock.now())
