from __future__ import annotations

import pytest

from clients.models import Client
from pipelines import cancelling, clock, nudges, sweeping
from pipelines.exceptions import InvalidTransition
from pipelines.models import Job, Pipeline, Stage
from tests.scenes import (
    FAILED,
    STARTED,
    SUCCEEDED,
    a_client,
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


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the tasks nudged, as if every transaction committed at once."""
    names: list[str] = []

    def nudge(task: str = nudges.TOP_UP, *args: object) -> None:
        names.append(task)

    monkeypatch.setattr(cancelling, "nudge", nudge)
    return names


def test_a_job_that_waits_is_cancelled_at_once(client: Client, sent: list[str]) -> None:
    pipeline = a_pipeline(client, {"build": [{"name": "a", "allow_failure": True}, "b"]})
    cancelled = cancelling.cancel_job(job(pipeline, "a"), now=clock.now())
    assert (cancelled.state, cancelled.reason, cancelled.attempt) == ("CANCELLED", "cancelled", 0)
    assert cancelled.finished_at is not None
    assert sent == [nudges.TOP_UP]


def test_of_a_job_that_runs_the_wish_is_recorded_once_and_its_runner_told(client: Client, sent: list[str]) -> None:
    pipeline = a_pipeline(client, {"build": ["a"]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    first = cancelling.cancel_job(a, now=clock.now())
    assert first.state == "IN_PROGRESS" and first.cancel_requested_at is not None
    assert sent == [nudges.STOP, nudges.TOP_UP]
    again = cancelling.cancel_job(a, now=clock.now())
    assert again.cancel_requested_at == first.cancel_requested_at
    assert standing(pipeline)[0] == "IN_PROGRESS"


def test_what_is_cancelled_already_stays_as_it_is(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"]})
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    before = Job.objects.values().get(), Pipeline.objects.values().get()
    assert cancelling.cancel_pipeline(pipeline.pk, now=clock.now()).state == "CANCELLED"
    assert cancelling.cancel_job(job(pipeline, "a"), now=clock.now()).state == "CANCELLED"
    assert (Job.objects.values().get(), Pipeline.objects.values().get()) == before


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED])
def test_what_ended_otherwise_cannot_be_cancelled(client: Client, end: dict[str, object]) -> None:
    pipeline = a_pipeline(client, {"build": ["a"]})
    a = run(claim_all()[0], end)
    with pytest.raises(InvalidTransition):
        cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    with pytest.raises(InvalidTransition):
        cancelling.cancel_job(a, now=clock.now())
    assert job(pipeline, "a").cancel_requested_at is None


def test_a_pipeline_cancelled_before_anything_ran_ends_at_once(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
    assert cancelling.cancel_pipeline(pipeline.pk, now=clock.now()).state == "CANCELLED"
    assert set(states(pipeline).values()) == {"CANCELLED pipeline_cancelled"}


def test_a_pipeline_cancelled_between_two_stages_ends(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
    run(claim_all()[0])
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    assert standing(pipeline) == ("CANCELLED", 0, ["DONE", "CANCELLED"])


def test_other_pipelines_of_the_client_go_on(client: Client) -> None:
    one, other = (a_pipeline(client, {"build": ["a"]}) for _ in range(2))
    cancelling.cancel_pipeline(one.pk, now=clock.now())
    assert standing(other)[0] == "READY"
    run(claim_all()[0])
    assert standing(other)[0] == "DONE"


def test_the_sweep_settles_what_was_missed_and_nothing_else(client: Client) -> None:
    pipeline = a_pipeline(client, {"build": ["a"], "deploy": ["b"]})
    other = a_pipeline(client, {"build": ["c"]})
    assert sweeping.overdue_pipelines() == []
    Stage.objects.filter(pipeline=pipeline).update(opened_at=None)
    Job.objects.filter(pipeline=pipeline).update(eligible_at=None)
    assert sweeping.overdue_pipelines() == [pipeline.pk]
    sweeping.sweep(now=clock.now())
    assert sweeping.overdue_pipelines() == []
    assert sorted(each.name for each in claim_all()) == ["a", "c"]
    assert standing(other)[0] == "IN_PROGRESS"
