"""Who may do what: every endpoint, tried by everybody. One that is missing from the tables fails the first test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from clients import vault
from clients.models import NamedSecret
from clients.registration import Credentials, create_client, deactivate
from pipelines import cancelling, clock
from pipelines.models import Job, Pipeline
from runners.models import Attempt, Runner
from runners.registration import create_runner
from tests.api import Api, as_attempt, as_client, as_operator, as_runner, as_staff, document, problem, shell
from tests.scenes import a_pipeline, claim_all, job, see

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Endpoint:
    """What a client is answered about its own things, and the permission that staff need (None: staff is enough)."""

    name: str
    method: str
    path: str
    answer: int = 200
    permission: str | None = None
    body: Any = b""
    staff_query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    @property
    def is_of_one(self) -> bool:
        """Tell whether it is about a row that belongs to a client."""
        return "{" in self.path or "pipeline" in (self.body or {})


_JOB = shell("late", "build", pipeline="{pipeline}")
_CLIENT = "?client={client}"
FOR_CLIENTS = [
    Endpoint("root", "GET", ""),
    Endpoint("pipeline-list", "GET", "pipelines/", permission="view_pipeline"),
    Endpoint("pipeline-list", "POST", "pipelines/", 201, "add_pipeline", document(), _CLIENT),
    Endpoint("pipeline-detail", "GET", "pipelines/{pipeline}/", permission="view_pipeline"),
    Endpoint("pipeline-detail", "PATCH", "pipelines/{pipeline}/", 200, "change_pipeline", {"priority": 3}),
    Endpoint("pipeline-detail", "DELETE", "pipelines/{finished}/", 204, "delete_pipeline"),
    Endpoint("pipeline-cancel", "POST", "pipelines/{pipeline}/cancel/", 202, "change_pipeline"),
    Endpoint("pipeline-events", "GET", "pipelines/{pipeline}/events/", permission="view_pipeline"),
    Endpoint("job-list", "GET", "jobs/", permission="view_job"),
    Endpoint("job-list", "POST", "jobs/", 201, "add_job", _JOB),
    Endpoint("job-detail", "GET", "jobs/{running}/", permission="view_job"),
    Endpoint("job-detail", "PATCH", "jobs/{waiting}/", 200, "change_job", {"priority": 3}),
    Endpoint("job-detail", "DELETE", "jobs/{waiting}/", 204, "delete_job"),
    Endpoint("job-cancel", "POST", "jobs/{running}/cancel/", 202, "change_job"),
    Endpoint("job-attempts", "GET", "jobs/{running}/attempts/", permission="view_job"),
    Endpoint("job-log", "GET", "jobs/{running}/log/", permission="view_job"),
    Endpoint("kind-list", "GET", "kinds/"),
    Endpoint("kind-schema", "GET", "kinds/schema/"),
    Endpoint("queue", "GET", "queue/", permission="view_job"),
    Endpoint("me", "GET", "me/"),
    Endpoint("secret-list", "GET", "me/secrets/", 200, "view_namedsecret", staff_query=_CLIENT),
    Endpoint("secret-detail", "PUT", "me/secrets/NEW/", 201, "change_namedsecret", {"value": "new"}, _CLIENT),
    Endpoint("secret-detail", "DELETE", "me/secrets/{secret}/", 204, "delete_namedsecret", staff_query=_CLIENT),
    Endpoint("schema", "GET", "schema/"),
    Endpoint("docs", "GET", "docs/"),
]
FOR_STAFF = [
    Endpoint("runner-list", "GET", "runners/", permission="view_runner"),
    Endpoint("runner-list", "POST", "runners/", 201, "add_runner", {"name": "another"}),
    Endpoint("runner-detail", "GET", "runners/{runner}/", permission="view_runner"),
    Endpoint("runner-detail", "PATCH", "runners/{runner}/", 200, "change_runner", {"capacity": 3}),
    Endpoint("runner-detail", "DELETE", "runners/{idle}/", 204, "delete_runner"),
    Endpoint("runner-pause", "POST", "runners/{runner}/pause/", 200, "change_runner"),
    Endpoint("runner-resume", "POST", "runners/{runner}/resume/", 200, "change_runner"),
    Endpoint("runner-drain", "POST", "runners/{runner}/drain/", 200, "change_runner"),
]
FOR_WORKERS = [
    Endpoint("reports", "POST", "reports/", body={"reports": []}),
    Endpoint("job-report", "POST", "jobs/{running}/report/", body={"event": "alive"}),
]
# Outside of /api/v1/, beside the admin: each has tests of its own.
ELSEWHERE = {
    "", "api-auth/login/", "api-auth/logout/", "oauth/token/", "oauth/revoke_token/", "healthz/", "readyz/", "metrics",
}  # fmt: skip


class Scene:
    """A client with a pipeline of which one job runs, another client, and a runner."""

    def __init__(self) -> None:
        self.owner, self.stranger = create_client("owner"), create_client("stranger")
        made = create_runner("local", capacity=1)
        self.runner_token = made.token
        see(made.runner)
        pipeline = a_pipeline(self.owner.client, {"build": ["running", "waiting"], "deploy": ["last"]})
        claim_all()
        finished = a_pipeline(self.owner.client, {"build": ["ended"]})
        cancelling.cancel_pipeline(finished.pk, now=clock.now())
        self.running = job(pipeline, "running")
        vault.put(self.owner.client, name="KEPT", value="kept")
        self.ids = {
            "pipeline": pipeline.pk,
            "finished": finished.pk,
            "running": self.running.pk,
            "waiting": job(pipeline, "waiting").pk,
            "runner": made.runner.pk,
            "idle": create_runner("idle").runner.pk,
            "client": self.owner.client_id,
            "secret": "KEPT",
        }

    def ask(self, api: Api, endpoint: Endpoint, *, query: str = "") -> Any:
        body = endpoint.body
        if isinstance(body, dict) and "pipeline" in body:
            body = {**body, "pipeline": self.ids["pipeline"]}
        return api.ask(endpoint.method, (endpoint.path + query).format(**self.ids), body)


@pytest.fixture
def scene(db: None) -> Scene:
    return Scene()


def routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            yield path, pattern


def methods(pattern: URLPattern) -> set[str]:
    callback: Any = pattern.callback
    actions = getattr(callback, "actions", None)
    served = {name for name in callback.cls.http_method_names if name in (actions or dir(callback.cls))}
    return {name.upper() for name in served & {"get", "post", "put", "patch", "delete"}}


def test_it_knows_every_endpoint_there_is() -> None:
    found = dict(routes(get_resolver().url_patterns))
    api = {path: pattern for path, pattern in found.items() if path.startswith("api/v1/")}
    there = {(pattern.name, method) for pattern in api.values() for method in methods(pattern)}
    assert there == {(each.name, each.method) for each in (*FOR_CLIENTS, *FOR_STAFF, *FOR_WORKERS)}
    assert {path for path in found if path not in api and not path.startswith("admin/")} == ELSEWHERE


def test_who_has_no_business_there_is_shut_out(scene: Scene) -> None:
    former = create_client("former")
    deactivate(former.client)
    nobody = {"anonymous": Api(), "deactivated": as_client(former)}
    workers = {"reports": as_runner(scene.runner_token), "job-report": as_attempt(scene.running)}
    visitor = {"visitor": Api(user=User.objects.create_user("visitor"))}
    client = {"client": as_client(scene.owner)}
    staff = {"staff": as_operator()}
    before = _everything()
    for endpoints, unknown, known in (
        (FOR_CLIENTS, nobody | workers, visitor),
        (FOR_STAFF, nobody | workers, visitor | client),
        (FOR_WORKERS, nobody | workers | visitor | client | staff, {}),
    ):
        for endpoint in endpoints:
            for name, api in unknown.items():
                if name != endpoint.name:
                    answer = scene.ask(api, endpoint)
                    assert (answer.status_code, name) == (401, name), endpoint
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
                    problem(answer, 401)
            for name, api in known.items():
                answer = scene.ask(api, endpoint)
                assert (answer.status_code, name) == (403, name), endpoint
                problem(answer, 403)
    assert _everything() == before


@pytest.mark.parametrize("endpoint", FOR_CLIENTS, ids=str)
def test_a_client_has_its_own_and_nobody_else_s(endpoint: Endpoint, scene: Scene) -> None:
    before = _everything()
    answer = scene.ask(as_client(scene.stranger), endpoint)
    if endpoint.is_of_one:
        problem(answer, 404)
        assert _everything() == before
    else:
        assert answer.status_code == endpoint.answer
        assert scene.owner.client_id not in answer.text
        assert '"owner"' not in answer.text
    if endpoint.name in ("pipeline-list", "job-list") and endpoint.method == "GET":
        assert answer.json()["results"] == []

    assert scene.ask(as_client(scene.owner), endpoint).status_code == endpoint.answer


@pytest.mark.parametrize("endpoint", [*FOR_CLIENTS, *FOR_STAFF], ids=str)
def test_staff_need_the_model_permission(endpoint: Endpoint, scene: Scene) -> None:
    everything = {each.permission for each in (*FOR_CLIENTS, *FOR_STAFF) if each.permission}
    others = as_staff(*(everything - {endpoint.permission}), username="without")
    refused = scene.ask(others, endpoint, query=endpoint.staff_query)
    if endpoint.permission:
        assert endpoint.permission in problem(refused, 403)["detail"]
        allowed = scene.ask(as_staff(endpoint.permission), endpoint, query=endpoint.staff_query)
        assert allowed.status_code == endpoint.answer
    else:
        assert refused.status_code == endpoint.answer


@pytest.mark.parametrize("endpoint", FOR_WORKERS, ids=str)
def test_workers_report(endpoint: Endpoint, scene: Scene) -> None:
    worker = as_runner(scene.runner_token) if endpoint.name == "reports" else as_attempt(scene.running)
    assert scene.ask(worker, endpoint).status_code == 200


def test_an_attempt_s_token_is_good_for_that_attempt_only(scene: Scene) -> None:
    api = as_attempt(scene.running)
    assert api.post(f"jobs/{scene.running.pk}/report/", {"event": "alive"}).status_code == 200
    problem(api.post(f"jobs/{scene.ids['waiting']}/report/", {"event": "alive"}), 404)
    for named in ({"attempt": 2}, {"job": scene.ids["waiting"]}):
        assert api.post(f"jobs/{scene.running.pk}/report/", {"event": "alive", **named}).status_code == 404
    assert api.post("reports/", {"reports": []}).status_code == 401


def test_an_attempt_s_token_ends_with_its_row(scene: Scene) -> None:
    api = as_attempt(scene.running)
    Job.objects.filter(pk=scene.running.pk).delete()
    problem(api.post(f"jobs/{scene.running.pk}/report/", {"event": "alive"}), 401)


def test_a_runner_reports_nothing_of_another_s_attempt(scene: Scene) -> None:
    other = create_runner("other")
    item = {"job": scene.running.pk, "attempt": 1, "event": "alive"}
    (reply,) = as_runner(other.token).post("reports/", {"reports": [item]}).json()["results"]
    assert (reply["status"], reply["cancel"]) == (404, True)


@pytest.mark.parametrize("by", ["secret", "token"])
def test_a_deactivated_client_is_out_at_once(by: str, scene: Scene) -> None:
    api = as_client(scene.owner) if by == "secret" else Api({"Authorization": f"Bearer {_token(scene.owner)}"})
    assert api.get("me/").status_code == 200
    deactivate(scene.owner.client)
    problem(api.get("me/"), 401)


def _token(made: Credentials) -> str:
    form = b"grant_type=client_credentials"
    answer = as_client(made).post("/oauth/token/", form, content_type="application/x-www-form-urlencoded")
    return str(answer.json()["access_token"])


def _everything() -> list[Any]:
    """Return all rows that a request could change."""
    models: list[Any] = [Pipeline, Job, Attempt, Runner, NamedSecret]
    return [list(model.objects.order_by("pk").values()) for model in models]
