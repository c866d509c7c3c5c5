"""Text that would be code somewhere else is text in every filter, field and header, and comes back as it was."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.test import Client as Browser
from drf_spectacular.generators import SchemaGenerator

from clients.registration import create_client
from pipelines.models import Job, Pipeline
from runners.models import Runner
from tests.api import ROOT, Api, as_client, as_operator, document, shell
from tests.operators import an_operator
from tests.scenes import STARTED, a_client, a_pipeline, a_runner, claim_all, job, report
from tests.taskpipeline.test_problems import HOSTILE as BODIES

pytestmark = pytest.mark.django_db

SQL = [
    "' OR '1'='1",
    "1 OR 1=1",
    "'; DROP TABLE pipelines_job; --",
    "\\'; SELECT 1 --",
    "%' OR name LIKE '%",
    "%s",
    "%(id)s",
]
TEMPLATES = ["{{ 7*7 }}", "{% debug %}", "{{ settings.SECRET_KEY }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{0.__class__}"]
TEXTS = [
    *SQL,
    *TEMPLATES,
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "$(id)",
    "`id`",
    "a\u202eb",
    "é\u0301",
]


@pytest.fixture
def api(db: None) -> Api:
    owner = create_client("owner")
    a_pipeline(owner.client, {"build": ["a"]}, name="mine")
    a_pipeline(a_client("other"), {"build": ["a"]}, name="theirs")
    return as_client(owner)


def filters() -> list[tuple[str, str]]:
    """Return every list of the API with every parameter that it says it takes."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [
        (path.removeprefix(ROOT), parameter["name"])
        for path, operations in paths.items()
        for parameter in operations.get("get", {}).get("parameters", [])
        if parameter["in"] == "query"
    ]


@pytest.mark.parametrize(("path", "parameter"), filters())
def test_no_filter_of_the_api_is_code(path: str, parameter: str, api: Api) -> None:
    operator = as_operator()
    a_runner("box")
    ids = {"pipelines": Pipeline, "jobs": Job}
    model: Any = ids.get(path.partition("/")[0])
    path = path.replace("{id}", str(model.objects.earliest("id").pk)) if model else path
    for text in TEXTS:
        text = f"a={text}" if parameter == "label" else text
        for caller in (api, operator) if text in SQL[:2] else (operator,):
            answer = caller.get(f"{path}?{urlencode({parameter: text})}")
            assert answer.status_code in (200, 400, 403, 404), (parameter, text, answer.text)
            if answer.status_code == 200 and "results" in answer.text:
                assert answer.json()["results"] == []
    assert Job.objects.count() == 2


def test_what_was_submitted_comes_back_as_it_was(api: Api) -> None:
    jobs = [
        shell(f"{text} job", f"{text} stage", params={"command": text, "env": {"A": text}, "stdin": text})
        for text in TEXTS
    ]
    for text in TEXTS:
        key = text.replace("=", "~")  # no key of a label holds that
        sent = document(*jobs, name=text, labels={key: text})
        answer = api.post("pipelines/", sent)
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        assert (shown["name"], shown["labels"]) == (text, {key: text})
        assert [(stage["name"], stage["jobs"][0]["name"], stage["jobs"][0]["params"]) for stage in shown["stages"]] == [
            (each["stage"], each["name"], each["params"]) for each in jobs
        ]
        found = api.get(f"pipelines/?{urlencode({'name': text, 'label': f'{key}={text}'})}").json()["results"]
        assert [each["id"] for each in found] == [shown["id"]]
        listed = api.get(f"jobs/?{urlencode({'stage': f'{text} stage', 'pipeline': shown['id']})}").json()["results"]
        assert [each["name"] for each in listed] == [f"{text} job"]


@pytest.fixture
def texts(db: None) -> Iterator[str]:
    """All of the texts in every place that a page shows; yields the texts as one."""
    everything = " ".join(TEXTS)
    a_runner("box")
    Runner.objects.update(pause_note=everything[:255])
    client = a_client(everything[:200])
    jobs: list[str | dict[str, Any]] = [{"name": everything[:255], "params": {"command": everything}}]
    pipeline = a_pipeline(client, {everything[:255]: jobs}, name=everything[:255], labels={everything: everything})
    claim_all()
    subject = job(pipeline, everything[:255])
    end = {"event": "finished", "outcome": "failed", "exit_code": 1, "reason": everything[:64], "message": everything}
    log = {"event": "log", "offset": 0, "text": everything}
    assert report(subject, STARTED, log, {**end, "result": {everything: everything}}) == [200] * 3
    yield everything


def test_no_page_runs_or_evaluates_what_it_shows(texts: str) -> None:
    operator = an_operator()
    pipeline, subject, runner = Pipeline.objects.get(), Job.objects.get(), Runner.objects.get()
    paths = [
        "/admin/pipelines/pipeline/", f"/admin/pipelines/pipeline/{pipeline.pk}/change/", "/admin/pipelines/job/",
        f"/admin/pipelines/job/{subject.pk}/change/",
        "/admin/runners/runner/", f"/admin/runners/runner/{runner.pk}/change/", "/admin/clients/client/",
        f"/admin/clients/client/{pipeline.client_id}/change/", f"{ROOT}pipelines/", f"{ROOT}pipelines/{pipeline.pk}/",
        f"{ROOT}jobs/", f"{ROOT}jobs/{subject.pk}/", f"{ROOT}jobs/{subject.pk}/attempts/", f"{ROOT}runners/",
        f"{ROOT}pipelines/{pipeline.pk}/events/",
    ]  # fmt: skip
    for path in paths:
        answer = operator.get(path, headers={"Accept": "text/html"}, follow=True)
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text, path
        assert '"><script' not in answer.text, path
        if "events" not in path:
            assert "{{ 7*7 }} {% debug %}" in html.unescape(answer.text).replace("\\u0022", '"'), path


def test_no_search_or_filter_of_the_admin_is_code(texts: str) -> None:
    operator = an_operator()
    for model, options in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        names = ["q", "o", "p", "e", "pk__in", *(each for each in options.list_filter if isinstance(each, str))]
        for name in (*names, "runner", "client__id__exact"):
            for text in (SQL[0], "%s"):
                answer = operator.get(base, {name: text})
                assert answer.status_code in (200, 302, 400, 403), (base, name, text)
    assert Job.objects.count() == 1


# Of HTTP: what a header may hold is up to whoever sends it.
ODD = ["", ",", '"', "*/*;q=x", "\xff\xfe", "x" * 9000, "{{ 7*7 }}", "' OR 1=1", "9" * 400]
HEADERS = [
    "ACCEPT", "ACCEPT_CHARSET", "ACCEPT_ENCODING", "ACCEPT_LANGUAGE", "AUTHORIZATION", "COOKIE", "FORWARDED",
    "IDEMPOTENCY_KEY", "IF_MATCH", "IF_MODIFIED_SINCE", "IF_NONE_MATCH", "LAST_EVENT_ID", "ORIGIN", "RANGE", "REFERER",
    "TRANSFER_ENCODING", "USER_AGENT", "X_CSRFTOKEN", "X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO",
    "X_HTTP_METHOD_OVERRIDE", "X_REQUESTED_WITH", "HOST",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_is_a_500(header: str, api: Api) -> None:
    browser, sent = Browser(raise_request_exception=False), json.dumps(document(shell())).encode()
    identity = {"HTTP_AUTHORIZATION": api._headers["Authorization"]}
    for value in ODD:
        odd: dict[str, Any] = {**identity, f"HTTP_{header}": value}
        for answer in (
            browser.get(f"{ROOT}pipelines/", **odd),
            browser.generic("POST", f"{ROOT}pipelines/?dry_run=true", sent, content_type="application/json", **odd),
            browser.post("/oauth/token/", {"grant_type": "client_credentials"}, **odd),
            browser.get("/admin/login/", **odd),
        ):
            assert answer.status_code < 500, value


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
def test_a_hostile_body_is_the_sender_s_mistake_wherever_it_goes(body: bytes, db: None) -> None:
    operator, runner = as_operator(), a_runner("box")
    subject = job(a_pipeline(a_client(), {"s": ["a"]}), "a")
    claim_all()
    for method, path in (
        ("POST", "runners/"), ("PATCH", f"runners/{runner.pk}/"), ("POST", f"runners/{runner.pk}/pause/"),
        ("POST", f"runners/{runner.pk}/drain/"), ("POST", f"jobs/{subject.pk}/cancel/"),
    ):  # fmt: skip
        assert operator.ask(method, path, body).status_code < 500, (method, path)
