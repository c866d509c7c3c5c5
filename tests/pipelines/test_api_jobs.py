from __future__ import annotations

from typing import Any

import pytest

from clients.registration import Credentials, create_client
from pipelines import cancelling, clock
from pipelines.api.jobs import JobViewSet
from pipelines.api.pipelines import PipelineViewSet
from pipelines.models import Job, Pipeline
from tests.api import Api, as_client, as_staff, mistakes, problem, shell
from tests.scenes import FAILED, RETURNED, a_pipeline, a_runner, claim_all, job, report, run, see

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


@pytest.fixture
def pipeline(owner: Credentials) -> Pipeline:
    return a_pipeline(owner.client, {"build": ["a", "b"], "deploy": ["c"]})


def start(pipeline: Pipeline, name: str = "a") -> Job:
    a_runner(capacity=1)
    claim_all()
    return job(pipeline, name)


def test_a_job_is_added_and_is_eligible_if_its_stage_is_open(api: Api, pipeline: Pipeline) -> None:
    added = api.post("jobs/", shell("new", "build", pipeline=pipeline.pk, priority=3, timeout=5))
    assert added.status_code == 201
    assert (added.json()["stage"], added.json()["priority"], added.json()["timeout"]) == ("build", 3, 5)
    assert added.json()["eligible_at"]
    assert api.get(added.headers["Location"].removeprefix("http://testserver")).json() == added.json()
    later = api.post("jobs/", shell("later", "deploy", pipeline=pipeline.pk)).json()
    assert (later["eligible_at"], later["pipeline"]) == (None, pipeline.pk)


def test_a_job_is_added_as_yaml_too(api: Api, pipeline: Pipeline) -> None:
    text = f"{{pipeline: {pipeline.pk}, name: new, stage: build, kind: Shell, version: 1.0.0, params: {{command: ls}}}}"
    assert api.post("jobs/", text.encode(), content_type="application/yaml").status_code == 201


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"pipeline": "x"}, "/pipeline"),
        ({"pipeline": None}, "/pipeline"),
        ({"pipeline": True}, "/pipeline"),
        ({"pipeline": 1.0}, "/pipeline"),
        ({"stage": "nowhere"}, "/stage"),
        ({"stage": ["build"]}, "/stage"),
        ({"timout": 3}, "/timout"),
        ({"params": {}}, "/params/command"),
        ({"params": []}, "/params"),
        ({"kind": "Shel"}, "/kind"),
        ({"version": "2.0.0"}, "/version"),
        ({"name": ""}, "/name"),
        ({"name": "a\0b"}, "/name"),
    ],
)
def test_a_bad_job_is_told(changes: dict[str, Any], pointer: str, api: Api, pipeline: Pipeline) -> None:
    found = mistakes(api.post("jobs/", shell("new", **{"pipeline": pipeline.pk, **changes})))
    assert found.keys() == {pointer}
    assert Job.objects.count() == 3


@pytest.mark.parametrize("named", [0, -1, 2**31, 10**18, 2**63 - 1])
def test_a_pipeline_that_is_not_there_is_404(named: int, api: Api, pipeline: Pipeline) -> None:
    problem(api.post("jobs/", shell("new", pipeline=named)), 404)


def test_a_name_is_taken_once(api: Api, pipeline: Pipeline) -> None:
    assert "'c'" in problem(api.post("jobs/", shell("c", "build", pipeline=pipeline.pk)), 409)["detail"]


def test_a_stage_that_has_ended_takes_no_job(api: Api, pipeline: Pipeline) -> None:
    runner = a_runner()
    for each in claim_all():
        run(each)
    see(runner)
    problem(api.post("jobs/", shell("new", "build", pipeline=pipeline.pk)), 409)
    assert api.post("jobs/", shell("new", "deploy", pipeline=pipeline.pk)).json()["eligible_at"]


def test_a_stopped_pipeline_takes_no_job(api: Api, pipeline: Pipeline) -> None:
    start(pipeline)
    api.post(f"pipelines/{pipeline.pk}/cancel/")
    problem(api.post("jobs/", shell("new", "deploy", pipeline=pipeline.pk)), 409)


def test_a_failing_pipeline_takes_no_job(api: Api, pipeline: Pipeline) -> None:
    a_runner()
    first, _ = claim_all()
    run(first, FAILED)
    assert api.get(f"pipelines/{pipeline.pk}/").json()["state"] == "IN_PROGRESS"
    problem(api.post("jobs/", shell("new", "build", pipeline=pipeline.pk)), 409)


def test_a_pipeline_that_is_not_divided_takes_no_job(api: Api, owner: Credentials, settings: Any) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    undivided = a_pipeline(owner.client, {"build": ["a"]})
    problem(api.post("jobs/", shell("new", pipeline=undivided.pk)), 409)


def test_a_waiting_job_is_changed(api: Api, pipeline: Pipeline) -> None:
    change = {
        "priority": 1, "params": {"command": ["ls"]}, "retry_attempt": 2, "allow_failure": True, "timeout": 9,
    }  # fmt: skip
    path = f"jobs/{job(pipeline, 'a').pk}/"
    body = api.patch(path, change).json()
    assert {name: body[name] for name in change} == change
    assert api.patch(path, b"timeout: null", content_type="text/yaml").json() == body | {"timeout": None}
    assert api.patch(path, {}).json() == body | {"timeout": None}


@pytest.mark.parametrize(
    ("change", "pointer", "said"),
    [
        ({"timout": 3}, "/timout", "'timeout'"),
        ({"name": "x"}, "/name", ""),
        ({"state": "DONE"}, "/state", ""),
        ({"params": {"comand": "ls", "command": "x"}}, "/params/comand", "'command'"),
        ({"params": {"command": 3}}, "/params/command", ""),
        ({"params": "ls"}, "/params", ""),
        ({"priority": -1}, "/priority", ""),
        ({"timeout": 0}, "/timeout", ""),
        ({"allow_failure": 1}, "/allow_failure", ""),
        ([], "", ""),
    ],
)
def test_a_bad_change_is_told(change: Any, pointer: str, said: str, api: Api, pipeline: Pipeline) -> None:
    path = f"jobs/{job(pipeline, 'a').pk}/"
    before = api.get(path).json()
    found = mistakes(api.patch(path, change))
    assert found.keys() == {pointer}
    assert said in found[pointer]
    assert api.get(path).json() == before


@pytest.mark.parametrize("change", [{"priority": 1}, {}])
def test_a_job_that_runs_or_has_ended_is_not_changed(change: dict[str, Any], api: Api, pipeline: Pipeline) -> None:
    running = start(pipeline)
    assert "IN_PROGRESS" in problem(api.patch(f"jobs/{running.pk}/", change), 409)["detail"]
    run(running)
    assert "DONE" in problem(api.patch(f"jobs/{running.pk}/", change), 409)["detail"]


def test_a_job_that_was_never_attempted_is_deleted(api: Api, pipeline: Pipeline) -> None:
    doomed = job(pipeline, "b").pk
    assert api.delete(f"jobs/{doomed}/").status_code == 204
    problem(api.get(f"jobs/{doomed}/"), 404)


def test_the_last_job_of_a_stage_is_not_deleted(api: Api, pipeline: Pipeline) -> None:
    assert "last" in problem(api.delete(f"jobs/{job(pipeline, 'c').pk}/"), 409)["detail"]


def test_a_job_that_was_attempted_is_not_deleted(api: Api, pipeline: Pipeline) -> None:
    running = start(pipeline)
    problem(api.delete(f"jobs/{running.pk}/"), 409)
    report(running, RETURNED)
    assert job(pipeline, "a").state == "READY"
    problem(api.delete(f"jobs/{running.pk}/"), 409)
    assert Job.objects.count() == 3


def test_a_waiting_job_is_cancelled_at_once(api: Api, pipeline: Pipeline) -> None:
    path = f"jobs/{job(pipeline, 'a').pk}/cancel/"
    answer = api.post(path)
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "CANCELLED", "cancelled")
    assert (api.post(path).status_code, api.post(path).json()) == (200, answer.json())


def test_the_cancel_of_a_running_job_is_accepted(api: Api, pipeline: Pipeline) -> None:
    running = start(pipeline)
    answer = api.post(f"jobs/{running.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (202, "IN_PROGRESS")
    assert answer.json()["cancel_requested_at"]


def test_a_job_that_has_ended_otherwise_is_not_cancelled(api: Api, pipeline: Pipeline) -> None:
    running = start(pipeline)
    run(running)
    assert "DONE" in problem(api.post(f"jobs/{running.pk}/cancel/"), 409)["detail"]


def test_staff_add_a_job_to_anybody_s_pipeline(pipeline: Pipeline) -> None:
    assert as_staff("add_job").post("jobs/", shell("new", pipeline=pipeline.pk)).status_code == 201


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "POST"])
def test_a_job_deleted_meanwhile_is_404(
    method: str, api: Api, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = job(pipeline, "a")
    Job.objects.filter(pk=found.pk).delete()
    monkeypatch.setattr(JobViewSet, "get_object", lambda view: found)
    path = f"jobs/{found.pk}/cancel/" if method == "POST" else f"jobs/{found.pk}/"
    problem(api.ask(method, path, {"priority": 3}), 404)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_pipeline_deleted_meanwhile_is_404(
    method: str, api: Api, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PipelineViewSet, "get_object", lambda view: pipeline)
    Pipeline.objects.filter(pk=pipeline.pk).delete()
    path = f"pipelines/{pipeline.pk}/cancel/" if method == "POST" else f"pipelines/{pipeline.pk}/"
    problem(api.ask(method, path, {"priority": 3}), 404)


def test_a_job_cancelled_on_its_own_stops_the_pipeline(api: Api, pipeline: Pipeline) -> None:
    cancelling.cancel_job(job(pipeline, "a"), now=clock.now())
    problem(api.post("jobs/", shell("new", "deploy", pipeline=pipeline.pk)), 409)
