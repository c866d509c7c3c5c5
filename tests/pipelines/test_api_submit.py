from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from clients.registration import Credentials, create_client
from pipelines import division
from pipelines.models import Job, Pipeline
from tests.api import Api, as_client, as_operator, as_staff, document, mistakes, problem, shell

pytestmark = pytest.mark.django_db

YAML = """
name: nightly
stages: [build, deploy]
jobs:
  - {name: compile, stage: build, kind: Shell, version: 1.0.0, params: {command: make}, retry_attempt: 2, timeout: 60}
  - {name: ship, stage: deploy, kind: Shell, version: 1.0.0, params: {command: "true"}, allow_failure: true}
"""


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


def nothing_is_stored() -> bool:
    return not Pipeline.objects.exists() and not Job.objects.exists()


def test_a_pipeline_is_answered_with_its_stages_and_jobs(api: Api, owner: Credentials) -> None:
    answer = api.post("pipelines/", YAML.encode(), content_type="application/yaml")
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["Location"] == f"http://testserver/api/v1/pipelines/{body['id']}/"
    assert api.get(answer.headers["Location"].removeprefix("http://testserver")).json() == body
    assert set(body) == {
        "id", "name", "client", "priority", "labels", "state", "progress", "warnings", "reason", "divided", "stages",
        "created_at", "started_at", "finished_at", "rerun_of", "callback_url",
    }  # fmt: skip
    assert (body["name"], body["client"], body["state"], body["divided"]) == ("nightly", owner.client_id, "READY", True)
    assert (body["progress"], body["started_at"], body["finished_at"], body["rerun_of"]) == (0, None, None, None)
    build, deploy = body["stages"]
    assert (build["name"], build["position"], build["state"]) == ("build", 0, "READY")
    (compile_,), (ship,) = build["jobs"], deploy["jobs"]
    assert set(compile_) == {
        "id", "pipeline", "stage", "name", "kind", "version", "priority", "params", "retry_attempt", "allow_failure",
        "timeout", "state", "attempt", "progress", "message", "reason", "result", "exit_code", "signal", "runner",
        "cancel_requested_at", "created_at", "eligible_at", "started_at", "finished_at",
    }  # fmt: skip
    assert (compile_["pipeline"], compile_["stage"], compile_["params"]) == (body["id"], "build", {"command": "make"})
    assert (compile_["retry_attempt"], compile_["timeout"], compile_["attempt"]) == (2, 60, 0)
    assert compile_["eligible_at"] and ship["eligible_at"] is None
    assert ship["id"] > compile_["id"]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", json.dumps(document()).encode()),
        ("application/json; charset=utf-8", json.dumps(document()).encode()),
        ('Application/JSON;Charset="UTF-8"', json.dumps(document()).encode()),
        ("application/json", b"\xef\xbb\xbf" + json.dumps(document()).encode()),
        ("application/yaml", YAML.encode()),
        ("application/yaml", b"\xef\xbb\xbf" + YAML.encode()),
        ("application/x-yaml", YAML.encode()),
        ("text/yaml; charset=utf-8", YAML.encode()),
    ],
)
def test_the_media_types_that_are_taken(media_type: str, body: bytes, api: Api) -> None:
    assert api.post("pipelines/", body, content_type=media_type).status_code == 201


@pytest.mark.parametrize("path", ["pipelines/", "jobs/"])
@pytest.mark.parametrize(
    "media_type",
    [
        "", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/*", "*/*", "yaml", "application/json; charset=latin-1", "text/yaml; charset=utf-16",
    ],
)  # fmt: skip
def test_any_other_media_type_is_415(media_type: str, path: str, api: Api) -> None:
    problem(api.post(path, json.dumps(document()).encode(), content_type=media_type), 415)
    assert nothing_is_stored()


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml", ""])
@pytest.mark.parametrize("path", ["pipelines/", "jobs/"])
def test_an_empty_body_is_told_so(path: str, media_type: str, api: Api) -> None:
    (detail,) = mistakes(api.post(path, content_type=media_type)).values()
    assert "empty" in detail


def test_mistakes_come_together_with_their_places(api: Api) -> None:
    text = YAML.replace("timeout: 60", "timout: 60").replace("stage: deploy", "stage: deplyo")
    errors = problem(api.post("pipelines/", text.encode(), content_type="text/yaml"), 400)["errors"]
    places = {error["pointer"]: (error["line"], error["column"]) for error in errors}
    assert places["/jobs/0/timout"] == (5, text.splitlines()[4].index("timout") + 1)
    assert places["/jobs/1/stage"][0] == 6
    assert "timeout" in next(error["detail"] for error in errors if error["pointer"] == "/jobs/0/timout")
    assert nothing_is_stored()


def test_json_mistakes_have_pointers_and_no_lines(api: Api) -> None:
    (error,) = problem(api.post("pipelines/", document(shell(timout=3))), 400)["errors"]
    assert error["pointer"] == "/jobs/0/timout"
    assert set(error) == {"pointer", "detail"}


def test_a_hundred_mistakes_are_listed_and_the_rest_counted(api: Api) -> None:
    body = problem(api.post("pipelines/", document(*(shell(str(n), timout=1) for n in range(130)))), 400)
    assert (len(body["errors"]), body["errors_omitted"]) == (100, 30)


def test_a_document_over_the_limit_is_413(api: Api, settings: Settings) -> None:
    body = json.dumps(document(name="x" * 200)).encode()
    settings.MAX_DOCUMENT_BYTES = len(body) - 1
    assert str(settings.MAX_DOCUMENT_BYTES) in problem(api.post("pipelines/", body), 413)["detail"]
    assert nothing_is_stored()
    settings.MAX_DOCUMENT_BYTES = len(body)
    assert api.post("pipelines/", body).status_code == 201


def test_a_dry_run_plans_and_stores_nothing(
    api: Api, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as nudges:
        answer = api.post("pipelines/?dry_run=true", YAML.encode(), content_type="text/yaml", Idempotency_Key="x" * 999)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    build, deploy = answer.json()["stages"]
    assert (build["name"], [job["name"] for job in build["jobs"]]) == ("build", ["compile"])
    assert (deploy["position"], deploy["jobs"][0]["version"]) == (1, "1.0.0")
    assert nothing_is_stored() and not nudges


def test_a_dry_run_finds_the_mistakes_and_what_never_fits(api: Api, owner: Credentials) -> None:
    assert mistakes(api.post("pipelines/?dry_run=1", document(shell(timout=1))))
    type(owner.client).objects.update(max_ready_jobs=1)
    problem(api.post("pipelines/?dry_run=true", document(shell("a"), shell("b"))), 422)


@pytest.mark.parametrize(("value", "status"), [("false", 201), ("0", 201), ("TRUE", 200), ("yes", 400), ("", 400)])
def test_a_dry_run_is_asked_for_in_no_uncertain_terms(value: str, status: int, api: Api) -> None:
    answer = api.post(f"pipelines/?dry_run={value}", document())
    assert answer.status_code == status
    assert nothing_is_stored() == (status != 201)


def test_a_large_document_is_divided_after_the_answer(api: Api, settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 2
    answer = api.post("pipelines/", document(shell("a"), shell("b"), shell("c")))
    body = answer.json()
    assert (answer.status_code, body["divided"], body["state"], body["stages"]) == (202, False, "READY", [])
    assert answer.headers["Location"].endswith(f"/pipelines/{body['id']}/")
    assert api.get("jobs/").json()["results"] == []

    assert division.divide_submitted(body["id"])

    divided = api.get(f"pipelines/{body['id']}/").json()
    assert divided["divided"]
    assert [job["name"] for job in divided["stages"][0]["jobs"]] == ["a", "b", "c"]


def test_a_stage_of_many_jobs_shows_where_they_are(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.api.showing.JOBS_SHOWN", 2)
    many = [shell(f"job {n}", "täglich & so") for n in range(3)]
    stage = api.post("pipelines/", document(*many)).json()["stages"][0]
    assert "jobs" not in stage
    assert stage["counts"] == {"READY": 3, "IN_PROGRESS": 0, "DONE": 0, "CANCELLED": 0, "ERROR": 0}
    listed = api.get(stage["jobs_url"].removeprefix("http://testserver")).json()["results"]
    assert [job["name"] for job in listed] == ["job 0", "job 1", "job 2"]


def test_staff_submit_for_the_client_they_name(owner: Credentials) -> None:
    staff = as_staff("add_pipeline")
    body = staff.post(f"pipelines/?client={owner.client_id}", document()).json()
    assert body["client"] == owner.client_id
    assert mistakes(staff.post("pipelines/", document())).keys() == {"/client"}
    problem(staff.post("pipelines/?client=nobody", document()), 404)


def test_a_client_submits_for_no_other(api: Api) -> None:
    other = create_client("other")
    problem(api.post(f"pipelines/?client={other.client_id}", document()), 404)
    assert nothing_is_stored()


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_the_browsable_api_shows_what_was_made(accept: str, owner: Credentials) -> None:
    answer = as_operator().post(f"pipelines/?client={owner.client_id}", document(), Accept=accept)
    assert answer.status_code == 201
    assert "text/html" in answer.headers["Content-Type"]


def test_text_is_kept_as_it_was_sent(api: Api) -> None:
    sent: dict[str, Any] = document(shell("ünï 🚀 'x'"), name="<b>&", labels={"ключ": "值=="})
    body = api.post("pipelines/", sent).json()
    assert (body["name"], body["labels"]) == (sent["name"], sent["labels"])
    assert body["stages"][0]["jobs"][0]["name"] == "ünï 🚀 'x'"
