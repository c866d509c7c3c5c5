"""The OpenAPI document against the service that it describes: whatever is sent, no 5xx and nothing it does not say."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.db import connection
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client as Browser
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi import checks

from clients.models import Client
from clients.registration import create_client
from pipelines.models import Job, Pipeline
from runners import tokens
from runners.api import attempts
from runners.models import Runner
from runners.registration import create_runner
from taskpipeline.wsgi import application
from tests.api import ROOT, as_operator, document, shell
from tests.clients.conftest import basic, bearer
from tests.scenes import FAILED, STARTED, a_pipeline, claim_all, report, see

pytestmark = pytest.mark.django_db

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
HOSTILE: list[Any] = [
    None, True, 0, -1, 2**63, 10**400, 1e308, "", " ", "x" * 300, "\0", "\u202e", "\x1b[2J", "%00", "../..",
    "<script>alert(1)</script>", "' OR 1=1 --", "{{ 7*7 }}", "${jndi:x}", [], {}, [[]], {"": ""}, {"$ref": "#"},
]  # fmt: skip
REPORTS: list[dict[str, Any]] = [
    {"event": "started", "worker": "w"}, {"event": "alive"}, {"event": "progress", "progress": 5, "message": "x"},
    {"event": "log", "offset": 0, "text": "x"}, {"event": "returned", "reason": "x"},
    {"event": "finished", "outcome": "failed", "exit_code": 1, "signal": 9, "reason": "x", "result": {"a": 1}},
]  # fmt: skip


@dataclass
class Caller:
    """Who asks, and how it says so."""

    headers: dict[str, str]
    cookies: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    job: int | None = None  # the only one it may name


@dataclass
class World:
    """What there is to be asked for: something in every state."""

    owner: Client
    basic: dict[str, str]
    token: str

    def ids(self, path: str) -> list[int]:
        """Return some that a path may name."""
        kinds: dict[str, Any] = {"pipelines": Pipeline, "jobs": Job, "runners": Runner}
        model = kinds.get(path.removeprefix(ROOT).partition("/")[0])
        return list(model.objects.order_by("id").values_list("id", flat=True)[:9]) if model else []

    def staff(self) -> Caller:
        browser, token = Browser(), _get_new_csrf_string()
        browser.force_login(User.objects.create_superuser("olga"))
        cookies = {"sessionid": browser.cookies["sessionid"].value, "csrftoken": token}
        return Caller({"X-CSRFToken": token}, cookies, {"client": self.owner.client_id})

    def client(self) -> Caller:
        return Caller(self.basic)

    def runner(self) -> Caller:
        return Caller(bearer(self.token))

    def attempt(self) -> Caller:
        subject = Job.objects.filter(state="IN_PROGRESS").earliest("id")
        return Caller(bearer(tokens.attempt_token(job=subject.pk, attempt=subject.attempt)), job=subject.pk)


@pytest.fixture
def world(db: None) -> World:
    made, runner = create_client("owner"), create_runner("local", capacity=4)
    see(runner.runner)
    a_pipeline(made.client, {"build": ["a", {"name": "b", "allow_failure": True}], "ship": ["c"]})
    for subject, ends in zip(claim_all(), ([STARTED], [STARTED, FAILED]), strict=True):
        report(subject, *ends, {"event": "log", "offset": 0, "text": "\x1b[31m<b>é</b>\n"})
    a_pipeline(made.client, {"build": ["a", "b"]}, labels={"team": "docs"}, callback_url="https://example.org/hook")
    claim_all()
    a_pipeline(made.client, {"build": ["a"], "ship": ["b", "c"]})
    a_pipeline(made.client, {"wide": [f"job {number}" for number in range(501)]})
    return World(made.client, basic(made.client_id, made.client_secret), runner.token)


@pytest.fixture(autouse=True)
def deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Hypothesis draw no constants from whatever modules happen to be loaded."""
    monkeypatch.setattr(providers, "_get_local_constants", providers.Constants)  # type: ignore[attr-defined]
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", providers.LRUCache(1024))  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def one_connection(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test's transaction open where a server would let go of its connection."""
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    monkeypatch.setattr(attempts, "_WAIT_SECONDS_MAX", 0)  # who waits lets go of it too


def described() -> Any:
    """Return the OpenAPI document as staff see it; who asks is ours to say, so it says nothing of that."""
    answer = as_operator().get("schema/", Accept="application/vnd.oai.openapi+json")
    shown: dict[str, Any] = json.loads(answer.content)
    del shown["components"]["securitySchemes"]
    for operations in shown["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    return schemathesis.openapi.from_dict(shown)


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """Draw the value with something else in one place of it, or left out, or as it is."""
    value = copy.deepcopy(whole)
    places = [
        (part, key) for part in _containers(value) for key in (part if isinstance(part, dict) else range(len(part)))
    ]
    if not places or draw(st.integers(0, 2)) == 0:
        return value
    container, key = draw(st.sampled_from(places))
    if draw(st.integers(0, 4)) == 0:
        del container[key]
    else:
        container[key] = draw(st.sampled_from(HOSTILE))
    return value


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


def bodies(label: str, *, world: World) -> list[Any]:
    """Return good bodies of an operation whose schema says little of them."""
    if label == f"POST {ROOT}pipelines/":
        return [document(shell("a", retry_attempt=1, timeout=5), shell("b", "ship"), name="x", labels={"a": "b"})]
    if label == f"PATCH {ROOT}pipelines/{{id}}/":
        return [{"name": "y", "priority": 3, "labels": {"a": "c"}}]
    if label == f"POST {ROOT}jobs/":
        return [shell("new", "build", pipeline=pipeline) for pipeline in world.ids(f"{ROOT}pipelines/")]
    if label == f"PATCH {ROOT}jobs/{{id}}/":
        return [{"priority": 3, "params": {"command": ["a"]}, "retry_attempt": 1, "allow_failure": True, "timeout": 9}]
    if label == f"POST {ROOT}jobs/{{id}}/report/":
        return REPORTS
    if label == f"POST {ROOT}reports/":
        live = Job.objects.filter(state="IN_PROGRESS").values_list("id", "attempt")
        return [{"reports": [{"job": job, "attempt": attempt, **each} for each in REPORTS]} for job, attempt in live]
    if label == f"POST {ROOT}runners/":
        clients = [world.owner.client_id]
        return [{"name": "box", "type": "server", "capacity": 2, "kinds": ["Shell"], "clients": clients}]
    return []


# Who asks what, how often each, and what has to be among the answers: else only the doorman was tried.
ASKED: dict[str, tuple[str, int, set[int]]] = {
    "staff": ("(?!.*report)", 15, {200, 201, 202, 204, 400, 404, 409}),
    "client": ("(?!.*report|.*runners)", 15, {200, 201, 202, 204, 400, 404, 409}),
    "runner": (".*/reports/", 40, {200, 400}),
    "attempt": (".*/report/", 100, {200, 400, 404, 409}),
}


@pytest.mark.parametrize("who", ASKED)
def test_whatever_is_sent_is_answered_as_the_document_says(who: str, world: World) -> None:
    paths, examples, expected = ASKED[who]
    caller: Caller = getattr(world, who)()
    answered: set[int] = set()
    for operation in (each.ok() for each in described().get_all_operations()):
        if not re.match(paths, operation.path):
            continue
        takes_something = any((operation.path_parameters, operation.query, operation.headers, operation.body))
        for mode in GenerationMode if takes_something else [GenerationMode.POSITIVE]:
            answered |= fuzz(operation, mode, caller=caller, world=world, examples=examples)
    assert expected <= answered


def fuzz(operation: Any, mode: GenerationMode, *, caller: Caller, world: World, examples: int) -> set[int]:
    """Ask again and again, return the statuses; raise FailureGroup for a 5xx and for what the document does not say."""
    answered: set[int] = set()
    ids = [caller.job] if caller.job else world.ids(operation.path)
    good = bodies(operation.label, world=world)

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=st.data(), case=operation.as_strategy(generation_mode=mode))
    def ask(data: Any, case: Any) -> None:
        if ids and data.draw(st.booleans()):
            case.path_parameters["id"] = data.draw(st.sampled_from(ids))
        if good and data.draw(st.booleans()):
            case.body = data.draw(damaged(data.draw(st.sampled_from(good))))
            case.query = {name: value for name, value in case.query.items() if name != "dry_run"} | caller.query
        answer = case.call_and_validate(headers=caller.headers, cookies=caller.cookies, app=application, checks=CHECKS)
        answered.add(answer.status_code)

    ask()
    return answered
