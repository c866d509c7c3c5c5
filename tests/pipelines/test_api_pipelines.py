from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from clients.registration import Credentials, create_client
from pipelines.models import Job, Pipeline
from tests.api import Api, as_client, document, mistakes, problem, shell
from tests.concurrency import eventually, held_elsewhere
from tests.scenes import FAILED, a_pipeline, a_runner, claim_all, job, report, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


@pytest.fixture
def pipeline(owner: Credentials) -> Pipeline:
    return a_pipeline(owner.client, {"build": ["a", "b"], "deploy": ["c"]}, name="before", labels={"team": "x"})


def done(owner: Credentials, *, ends: Any = None) -> Pipeline:
    pipeline = a_pipeline(owner.client, {"build": ["only"]})
    a_runner()
    claim_all()
    run(job(pipeline, "only"), *([ends] if ends else []))
    return pipeline


def test_an_unfinished_pipeline_is_changed(api: Api, pipeline: Pipeline) -> None:
    change = {"name": "after", "priority": 3, "labels": {"team": "y", "env": "prod"}}
    answer = api.patch(f"pipelines/{pipeline.pk}/", change)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in change} == change
    assert set(Job.objects.values_list("pipeline_priority", flat=True)) == {3}


def test_only_what_is_sent_is_changed_and_yaml_will_do(api: Api, pipeline: Pipeline) -> None:
    body = api.patch(f"pipelines/{pipeline.pk}/", b"priority: 3", content_type="application/yaml").json()
    assert (body["name"], body["priority"], body["labels"]) == ("before", 3, {"team": "x"})
    assert api.patch(f"pipelines/{pipeline.pk}/", {}).json() == body


@pytest.mark.parametrize(
    ("change", "pointer", "said"),
    [
        ({"prioritty": 3}, "/prioritty", "'priority'"),
        ({"state": "DONE"}, "/state", ""),
        ({"stages": []}, "/stages", ""),
        ({"callback_url": "http://example.com"}, "/callback_url", ""),
        ({"priority": "3"}, "/priority", ""),
        ({"priority": 32768}, "/priority", "32767"),
        ({"priority": True}, "/priority", ""),
        ({"labels": {"a": 1}}, "/labels/a", ""),
        ({"name": "a\nb"}, "/name", ""),
        ([], "", ""),
        (None, "", ""),
    ],
)
def test_a_bad_change_is_told(change: Any, pointer: str, said: str, api: Api, pipeline: Pipeline) -> None:
    found = mistakes(api.patch(f"pipelines/{pipeline.pk}/", change))
    assert found.keys() == {pointer}
    assert said in found[pointer]
    assert api.get(f"pipelines/{pipeline.pk}/").json()["priority"] == 10


@pytest.mark.parametrize("change", [{"priority": 3}, {}])
def test_a_finished_pipeline_is_not_changed(change: dict[str, Any], api: Api, owner: Credentials) -> None:
    problem(api.patch(f"pipelines/{done(owner).pk}/", change), 409)


def test_a_finished_pipeline_is_deleted_with_all_it_has(api: Api, owner: Credentials) -> None:
    pipeline = done(owner)
    assert api.delete(f"pipelines/{pipeline.pk}/").status_code == 204
    problem(api.get(f"pipelines/{pipeline.pk}/"), 404)
    problem(api.delete(f"pipelines/{pipeline.pk}/"), 404)
    assert not Job.objects.exists()


def test_an_unfinished_pipeline_is_not_deleted(api: Api, pipeline: Pipeline) -> None:
    assert "READY" in problem(api.delete(f"pipelines/{pipeline.pk}/"), 409)["detail"]
    a_runner(capacity=1)
    claim_all()
    problem(api.delete(f"pipelines/{pipeline.pk}/"), 409)
    assert Job.objects.count() == 3


def test_what_only_waits_is_cancelled_at_once(api: Api, pipeline: Pipeline) -> None:
    answer = api.post(f"pipelines/{pipeline.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"], answer.json()["progress"]) == (200, "CANCELLED", 100)
    assert {each["state"] for stage in answer.json()["stages"] for each in stage["jobs"]} == {"CANCELLED"}
    again = api.post(f"pipelines/{pipeline.pk}/cancel/")
    assert (again.status_code, again.json()) == (200, answer.json())


def test_while_something_runs_a_cancel_is_only_accepted(api: Api, pipeline: Pipeline) -> None:
    a_runner(capacity=1)
    claim_all()
    answer = api.post(f"pipelines/{pipeline.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (202, "IN_PROGRESS")
    running, waiting = answer.json()["stages"][0]["jobs"]
    assert (running["state"], bool(running["cancel_requested_at"])) == ("IN_PROGRESS", True)
    assert waiting["state"] == "CANCELLED"
    assert api.post(f"pipelines/{pipeline.pk}/cancel/").status_code == 202
    report(job(pipeline, "a"), {"event": "returned"})
    assert api.post(f"pipelines/{pipeline.pk}/cancel/").status_code == 200


@pytest.mark.parametrize(("ends", "state"), [(None, "DONE"), (FAILED, "ERROR")])
def test_what_ended_otherwise_is_not_cancelled(ends: Any, state: str, api: Api, owner: Credentials) -> None:
    pipeline = done(owner, ends=ends)
    assert state in problem(api.post(f"pipelines/{pipeline.pk}/cancel/"), 409)["detail"]


def test_an_undivided_pipeline_is_cancelled(api: Api, settings: Any) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    made = api.post("pipelines/", document(shell("a"))).json()["id"]
    answer = api.post(f"pipelines/{made}/cancel/")
    assert (answer.status_code, answer.json()["state"], answer.json()["divided"]) == (200, "CANCELLED", False)


def test_everything_that_happened_is_listed_in_order(api: Api, owner: Credentials) -> None:
    pipeline = done(owner)
    connection.cursor().execute("UPDATE pipelines_event SET transaction = '3'")  # as if each were committed long ago
    page = api.get(f"pipelines/{pipeline.pk}/events/").json()
    assert page["next"] is None
    told = [(event["subject"], event["from_state"], event["to_state"]) for event in page["results"]]
    assert told[:3] == [("pipeline", "", "READY"), ("stage", "", "READY"), ("job", "", "READY")]
    assert set(told[3:6]) == {(each, "READY", "IN_PROGRESS") for each in ("pipeline", "stage", "job")}
    assert told[6:] == [
        ("job", "IN_PROGRESS", "DONE"),
        ("stage", "IN_PROGRESS", "DONE"),
        ("pipeline", "IN_PROGRESS", "DONE"),
    ]
    ids = [event["id"] for event in page["results"]]
    assert ids == sorted(ids)
    event = page["results"][6]
    assert (event["job"], event["attempt"], event["runner"]) == (job(pipeline, "only").pk, 1, "local")
    assert event["at"]

    paged, path = [], f"pipelines/{pipeline.pk}/events/?page_size=4"
    while path:
        answer = api.get(path).json()
        paged += [each["id"] for each in answer["results"]]
        path = (answer["next"] or "").removeprefix("http://testserver")
    assert paged == ids


@pytest.mark.django_db(transaction=True)
def test_an_event_younger_than_an_open_transaction_waits_for_it() -> None:
    owner = create_client("owner")
    api = as_client(owner)
    pipeline = a_pipeline(owner.client, {"build": ["a"]})
    path = f"pipelines/{pipeline.pk}/events/"

    def shown() -> Any:
        return api.get(path).json()["results"]

    # Whoever else uses this server may have a transaction open too.
    eventually(lambda: len(shown()) == 3)
    before = shown()

    def write_something() -> None:
        connection.cursor().execute("SELECT pg_current_xact_id()")

    with held_elsewhere(write_something):
        assert api.post(f"pipelines/{pipeline.pk}/cancel/").status_code == 200
        assert shown() == before
    eventually(lambda: len(shown()) > 3)
    after = shown()
    assert after[:3] == before
    assert {event["to_state"] for event in after[3:]} == {"CANCELLED"}


def test_a_failure_is_shown_with_its_reason(api: Api, owner: Credentials) -> None:
    pipeline = done(owner, ends=FAILED | {"message": "no such file", "exit_code": 2})
    body = api.get(f"pipelines/{pipeline.pk}/").json()
    (ended,) = body["stages"][0]["jobs"]
    assert (body["state"], ended["state"], ended["exit_code"], ended["message"]) == (
        "ERROR",
        "ERROR",
        2,
        "no such file",
    )
    assert (ended["attempt"], ended["runner"], ended["reason"]) == (1, "local", "exit_code")
    assert ended["started_at"] <= ended["finished_at"] <= body["finished_at"]
