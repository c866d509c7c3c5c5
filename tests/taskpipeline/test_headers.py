"""What goes with every answer, whatever it is: pages of all kinds, errors of all kinds, logs, static files."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client as Browser

from clients.registration import create_client
from pipelines import clock
from pipelines.models import Job
from runners.api import usage
from tests.api import Api, as_client, as_operator, as_staff
from tests.operators import SCRIPT, an_operator
from tests.scenes import STARTED, a_client, a_pipeline, a_runner, claim_all, job, report

pytestmark = pytest.mark.django_db

HTML = {"Accept": "text/html"}
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def policy(answer: Any) -> dict[str, set[str]]:
    """Return the answer's Content-Security-Policy by directive."""
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split(";")]
    return {name: set(sources) for name, *sources in parts}


def see_that_it_is_safe(answer: Any) -> None:
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    directives = policy(answer)
    assert directives["frame-ancestors"] == {"'none'"}
    assert directives["default-src"] in ({"'self'"}, {"'none'"})
    if directives["default-src"] != {"'none'"}:
        assert directives["object-src"] == directives["base-uri"] == {"'none'"}
        assert directives["form-action"] == {"'self'"}
    assert set().union(*directives.values()) <= {"'self'", "'none'", "data:"}
    assert "data:" not in directives.get("script-src", set())
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        # What the policy would block, a page must not need.
        assert not re.findall(r"<[^>]* (?:style|on\w+)=", answer.text)
        assert not re.findall(r"<style|<script(?![^>]*(?:src=|application/json))[^>]*>", answer.text)


@pytest.fixture
def operator(db: None) -> Browser:
    return an_operator()


@pytest.fixture
def attempted(db: None) -> Job:
    """A job whose log holds what a terminal or a browser could be made to do."""
    a_runner("box")
    subject = job(a_pipeline(a_client(), {"s": ["one"]}), "one")
    claim_all()
    text = f"\x1b[2J\x1b]0;title\x07\x9b31m{SCRIPT}\N{RIGHT-TO-LEFT OVERRIDE}\r<b>{{{{ 7*7 }}}}"
    report(subject, STARTED, {"event": "log", "offset": 0, "text": text})
    return subject


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 302), ("/admin/", 200), ("/admin/login/", 302), ("/admin", 308), ("/admin/nowhere/", 404),
        ("/admin/password_change/", 200), ("/admin/jsi18n/", 200), ("/api-auth/login/", 200), ("/api/v1/", 200),
        ("/api/v1/pipelines/", 200), ("/api/v1/jobs/?state=x", 400), ("/api/v1/pipelines/7/", 404),
        ("/api/v1/pipelines", 308), ("/api/v1/docs/", 200), ("/api/v1/docs/?script=", 200), ("/api/v1/schema/", 406),
        ("/api/v1/kinds/schema/", 200), ("/api/v1/queue/", 200), ("/metrics", 200), ("/healthz/", 200),
        ("/readyz/", 503), ("/nowhere", 404), ("/static/taskpipeline/icon.svg", 200), ("/static/nowhere.js", 404),
    ],
)  # fmt: skip
def test_every_page(path: str, status: int, operator: Browser) -> None:
    with contextlib.closing(operator.get(path, headers=HTML)) as answer:
        assert answer.status_code == status
        see_that_it_is_safe(answer)


OF_A_ROW = ("change", "history", "delete", "pause", "drain", "resume", "cancel", "rotate-secret", "rotate-token")


def test_every_page_of_the_admin(operator: Browser, attempted: Job) -> None:
    seen = 0
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        rows = model._default_manager.all()[:1]
        pages = [base, f"{base}add/", *(f"{base}{row.pk}/{page}/" for row in rows for page in OF_A_ROW)]
        for page in pages:
            answer = operator.get(page)
            assert answer.status_code in (200, 302, 403, 404, 405), page
            see_that_it_is_safe(answer)
            seen += answer.status_code == 200
    assert seen > 20


def test_pages_for_who_is_not_logged_in(db: None) -> None:
    for path, status in (
        ("/admin/login/", 200), ("/admin/", 302), ("/api-auth/login/", 200), ("/api/v1/pipelines/", 401),
        ("/metrics", 401), ("/oauth/token/", 405),
    ):  # fmt: skip
        answer = Browser().get(path, headers=HTML)
        assert answer.status_code == status, path
        see_that_it_is_safe(answer)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_errors_of_all_kinds(accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, visitor, operator = (
        as_client(create_client("owner")),
        Api(user=User.objects.create_user("visitor")),
        as_operator(),
    )
    answers = {
        "bad host": (400, owner.get("/api/v1/kinds/", Host="evil.example", Accept=accept)),
        "bad body": (400, owner.post("pipelines/", b"{", Accept=accept)),
        "token": (401, Api().post("/oauth/token/", b"grant_type=client_credentials", Accept=accept,
                                  content_type="application/x-www-form-urlencoded")),
        "neither": (403, visitor.get("kinds/", Accept=accept)),
        "not theirs": (403, as_staff("view_job").get("/admin/clients/client/", Accept=accept)),
        "absent": (404, owner.get("pipelines/7/", Accept=accept)),
        "method": (405, owner.ask("PUT", "pipelines/", Accept=accept)),
        "accept": (406, owner.get("kinds/", Accept="image/png")),
        "media type": (415, owner.post("pipelines/", b"<x/>", content_type="application/xml", Accept=accept)),
    }  # fmt: skip
    monkeypatch.setattr(usage, "use_of", lambda _: 1 / 0)
    answers["unforeseen"] = (500, owner.get("me/", Accept=accept))
    monkeypatch.setattr(clock, "now", away)
    answers["away"] = (503, operator.get("queue/", Accept=accept))
    for name, (status, answer) in answers.items():
        assert answer.status_code == status, name
        see_that_it_is_safe(answer)


def away(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("away")


def test_a_log_is_text_and_nothing_else(attempted: Job, operator: Browser) -> None:
    for accept in ("text/plain", "text/html", "*/*", "application/json"):
        answer = operator.get(f"/api/v1/jobs/{attempted.pk}/log/", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        see_that_it_is_safe(answer)
        assert SCRIPT in answer.text  # as it was written, for a program to read


def test_a_log_in_the_admin_is_shown_and_does_nothing(attempted: Job, operator: Browser) -> None:
    answer = operator.get(f"/admin/pipelines/job/{attempted.pk}/change/")
    see_that_it_is_safe(answer)
    assert SCRIPT not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "&lt;b&gt;{{ 7*7 }}" in answer.text
