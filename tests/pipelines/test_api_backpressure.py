from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from clients.models import Client
from clients.registration import Credentials, create_client
from pipelines import clock
from pipelines.models import Job, Pipeline
from tests.api import Api, as_client, document, problem, shell
from tests.scenes import a_client, a_pipeline, a_runner, claim_all, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner", max_ready_jobs=3)


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


def submit(api: Api, number: int) -> Any:
    return api.post("pipelines/", document(*(shell(f"job {n}") for n in range(number))))


def refused(answer: Any, status: int) -> dict[str, Any]:
    """See that the answer says when to come again, and return the members it gives."""
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    body = problem(answer, status)
    return {name: body[name] for name in ("limit", "in_use", "requested", "scope")}


def test_a_client_over_its_share_is_429(api: Api) -> None:
    assert submit(api, 2).status_code == 201
    assert refused(submit(api, 2), 429) == {"limit": 3, "in_use": 2, "requested": 2, "scope": "client"}
    assert Pipeline.objects.count() == 1
    assert submit(api, 1).status_code == 201


def test_a_full_service_is_503(api: Api, settings: Settings) -> None:
    settings.MAX_READY_JOBS = 3
    a_pipeline(a_client("other"), {"build": ["a", "b"]})
    assert refused(submit(api, 2), 503) == {"limit": 3, "in_use": 2, "requested": 2, "scope": "service"}
    assert submit(api, 1).status_code == 201


@pytest.mark.parametrize("scope", ["client", "service"])
def test_what_never_fits_is_422_and_not_to_be_repeated(scope: str, api: Api, settings: Settings) -> None:
    if scope == "service":
        Client.objects.update(max_ready_jobs=None)
        settings.MAX_READY_JOBS = 3
    answer = submit(api, 4)
    body = problem(answer, 422)
    assert (body["limit"], body["requested"], body["scope"]) == (3, 4, scope)
    assert "Retry-After" not in answer.headers


def test_what_is_not_divided_yet_counts(api: Api, settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 1
    assert submit(api, 3).status_code == 202
    assert refused(submit(api, 1), 429)["in_use"] == 3


def test_when_to_come_again_follows_from_the_drain(api: Api) -> None:
    submit(api, 3)
    assert submit(api, 3).headers["Retry-After"] == "300"
    a_runner()
    for job in claim_all():
        run(job)
    submit(api, 3)
    assert submit(api, 1).headers["Retry-After"] == "20"


def test_added_jobs_are_admitted_likewise(api: Api, settings: Settings) -> None:
    pipeline = submit(api, 2).json()["id"]
    assert api.post("jobs/", shell("new", pipeline=pipeline)).status_code == 201
    another = shell("another", pipeline=pipeline)
    assert refused(api.post("jobs/", another), 429) == {"limit": 3, "in_use": 3, "requested": 1, "scope": "client"}
    Client.objects.update(max_ready_jobs=None)
    settings.MAX_READY_JOBS = 3
    assert refused(api.post("jobs/", another), 503)["scope"] == "service"
    settings.MAX_READY_JOBS = 0
    problem(api.post("jobs/", another), 422)
    assert Job.objects.count() == 3


def test_what_has_ended_or_runs_no_longer_waits(api: Api) -> None:
    a_runner()
    submit(api, 3)
    claim_all()
    assert Job.objects.filter(eligible_at__lte=clock.now(), state="IN_PROGRESS").count() == 3
    assert submit(api, 3).status_code == 201


def test_a_pipeline_takes_no_more_jobs_than_one_may_hold(api: Api, settings: Settings) -> None:
    settings.MAX_JOBS_PER_PIPELINE = 2
    pipeline = submit(api, 1).json()["id"]
    assert api.post("jobs/", shell("second", pipeline=pipeline)).status_code == 201
    answer = api.post("jobs/", shell("third", pipeline=pipeline))
    body = problem(answer, 422)
    assert (body["limit"], body["requested"], body["scope"]) == (2, 3, "pipeline")
    assert "Retry-After" not in answer.headers
    assert Job.objects.count() == 2
