"""What a session lets another site do (nothing), where a login leads (nowhere else), and its cookies."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from rest_framework.authentication import SessionAuthentication

from clients.models import Client, NamedSecret
from clients.registration import create_client
from pipelines.models import Job, Pipeline
from runners.models import Runner
from tests.api import problem
from tests.clients.conftest import basic, bearer
from tests.scenes import a_client, a_pipeline, a_runner, job
from tests.web import Address, gunicorn

pytestmark = pytest.mark.django_db

HOSTILE = [
    "https://evil.example/", "//evil.example/", "http:///evil.example/", "/\\evil.example/", "\\\\evil.example",
    "https:evil.example", "javascript:alert(1)", "data:text/html,x", "\t//evil.example", "/%09//evil.example/../..",
    "https://testserver@evil.example/", "https://evil.example/?testserver", "//testserver.evil.example",
]  # fmt: skip
DOORS = ["/admin/login/", "/api-auth/login/"]


@pytest.fixture
def victim(db: None, settings: Settings) -> Browser:
    """The browser of an operator who is logged in, and visits another site's page."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(User.objects.create_superuser("olga", password="correct horse"))
    return browser


@pytest.fixture
def things(db: None) -> dict[str, int]:
    runner, client = a_runner("box"), a_client("owner")
    pipeline = a_pipeline(client, {"s": ["one"]})
    return {"pipeline": pipeline.pk, "job": job(pipeline, "one").pk, "runner": runner.pk, "client": client.pk}


def state() -> list[Any]:
    """Return all that a request could have changed."""
    models: tuple[Any, ...] = (Client, Job, NamedSecret, Pipeline, Runner, User)
    return [list(model.objects.order_by("pk").values()) for model in models]


def writing() -> Iterator[tuple[str, str]]:
    """Yield every operation of the API that staff may use and that changes something."""
    for path, operations in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        yield from ((method.upper(), path) for method in operations if method != "get" and "report" not in path)


def test_no_operation_of_the_api_takes_a_session_without_its_token(victim: Browser, things: dict[str, int]) -> None:
    before, tried = state(), 0
    for method, path in writing():
        subject = path.removeprefix("/api/v1/").partition("s/")[0]
        filled = path.replace("{id}", str(things.get(subject, ""))).replace("{name}", "TOKEN")
        for sent in ({}, {"X-CSRFToken": "x" * 32}, {"Origin": "https://evil.example"}):
            answer = victim.generic(method, filled, b"{}", content_type="application/json", headers=sent)
            assert "CSRF" in problem(answer, 403)["detail"], (method, path)
            tried += 1
    assert tried >= 3 * 12
    assert state() == before


@pytest.mark.parametrize(
    "path",
    [
        "pipelines/pipeline/{pipeline}/cancel/", "pipelines/pipeline/{pipeline}/change/",
        "pipelines/pipeline/{pipeline}/delete/", "pipelines/job/{job}/cancel/", "pipelines/job/{job}/change/",
        "clients/client/{client}/rotate-secret/", "clients/client/{client}/retire-secret/",
        "clients/client/{client}/change/", "clients/client/", "clients/client/add/", "runners/runner/{runner}/pause/",
        "runners/runner/{runner}/resume/", "runners/runner/{runner}/drain/", "runners/runner/{runner}/rotate-token/",
        "runners/runner/{runner}/delete/", "auth/user/add/", "logout/", "password_change/",
    ],
)  # fmt: skip
def test_no_form_of_the_admin_is_taken_without_its_token(path: str, victim: Browser, things: dict[str, int]) -> None:
    before = state()
    answer = victim.post("/admin/" + path.format(**things), {"post": "yes", "name": "x"})
    assert "CSRF" in problem(answer, 403)["detail"]
    assert state() == before
    assert victim.get("/admin/").status_code == 200


@pytest.mark.parametrize("path", [*DOORS, "/api-auth/logout/"])
def test_nobody_is_logged_in_or_out_by_another_site(path: str, victim: Browser) -> None:
    answer = victim.post(path, {"username": "olga", "password": "correct horse"})
    assert "CSRF" in problem(answer, 403)["detail"]
    assert Session.objects.count() == 1


def test_reading_changes_nothing(victim: Browser, things: dict[str, int]) -> None:
    before = state()
    for path in ("pipelines/pipeline/{pipeline}/cancel/", "clients/client/{client}/rotate-secret/",
                 "runners/runner/{runner}/pause/", "logout/"):  # fmt: skip
        victim.get("/admin/" + path.format(**things))
    for name in ("pipelines/{pipeline}/cancel/", "jobs/{job}/cancel/", "runners/{runner}/drain/"):
        assert victim.get("/api/v1/" + name.format(**things)).status_code == 405
    victim.get("/api-auth/logout/")
    assert state() == before
    assert victim.get("/admin/").status_code == 200


@pytest.mark.parametrize("headers", [bearer("unknown"), basic("who", "what"), {"Authorization": "bearer"}])
def test_who_says_who_asks_is_not_known_by_a_session(headers: dict[str, str], victim: Browser) -> None:
    problem(victim.get("/api/v1/pipelines/", headers=headers), 401)
    # Elsewhere such a header means nothing: a proxy in front may ask for one of its own.
    assert victim.get("/admin/", headers=headers).status_code == 200
    assert victim.get("/api/v1/pipelines/", headers={"Authorization": "Other x"}).status_code == 200


def test_a_page_of_the_api_needs_no_session(db: None) -> None:
    made = create_client("owner")
    page = {**basic(made.client_id, made.client_secret), "Accept": "text/html"}
    answer = Browser().get("/api/v1/pipelines/", headers=page)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "sessionid" not in answer.cookies


def views(resolver: URLResolver) -> Iterator[Any]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.callback
        else:
            yield from views(pattern)


def test_only_what_knows_no_session_is_exempt() -> None:
    exempt = {view for view in views(get_resolver()) if getattr(view, "csrf_exempt", False)}
    # DRF exempts all of its views, and checks where a session says who asks.
    own = {view for view in exempt if not hasattr(view, "cls")}
    assert {view.__module__ for view in own} == {"clients.views"}
    for view in exempt - own:
        for way in view.cls.authentication_classes:
            assert issubclass(way, SessionAuthentication) is (way is SessionAuthentication)


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("door", DOORS)
def test_a_login_leads_nowhere_else(door: str, target: str, victim: Browser) -> None:
    browser = Browser()
    form = {"username": "olga", "password": "correct horse", "next": target}
    for answer in (browser.post(door, form), browser.post(f"{door}?{urlencode({'next': target})}", form)):
        stays_here(answer)
    assert "evil" not in Browser().get(f"{door}?next=/api/v1/").text


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("path", ["/admin/logout/", "/api-auth/logout/"])
def test_a_logout_leads_nowhere_else(path: str, target: str, victim: Browser) -> None:
    browser = Browser()
    browser.force_login(User.objects.get(username="olga"))
    answer = browser.post(f"{path}?{urlencode({'next': target})}", {"next": target})
    assert answer.status_code in (200, 302)
    if answer.status_code == 302:
        stays_here(answer)


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/api/v1/pipelines", "/admin//evil.example", "/\\evil"]
)
def test_a_missing_slash_leads_nowhere_else(path: str, victim: Browser) -> None:
    answer = victim.get("/", PATH_INFO=path)
    assert answer.status_code in (302, 308, 404)
    if answer.status_code != 404:
        stays_here(answer)


def stays_here(answer: Any) -> None:
    """See that the redirect is one that a browser follows to us, whatever it makes of odd characters."""
    assert answer.status_code in (302, 308)
    location = answer.headers["Location"].replace("\\", "/")
    assert urlsplit(location).netloc in ("", "testserver")
    assert urlsplit(location).scheme in ("", "http")
    assert location.startswith("http://testserver/") or (location[0] == "/" and location[1:2] != "/")


@pytest.mark.django_db(transaction=True)
def test_behind_https_nothing_travels_in_the_clear_and_cookies_are_kept_close(tmp_path: Path) -> None:
    User.objects.create_superuser("olga", password="correct horse")
    with gunicorn(
        tmp_path,
        PUBLIC_URL="https://pipeline.example.org",
        ALLOWED_HOSTS="pipeline.example.org",
        BEHIND_PROXY="true",
        SECRET_KEY="x" * 60,
    ) as address:
        redirected(address)
        logged_in(address)


def redirected(address: Address) -> None:
    with proxy(address, proto="http") as browser:
        for path in ("/admin/", "/api/v1/pipelines/?state=READY", "/oauth/token/", "/api-auth/login/"):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["Location"]) == (301, f"https://pipeline.example.org{path}")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in answer.headers
        answer = browser.get("/", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert browser.get("/healthz/").status_code == 200


def logged_in(address: Address) -> None:
    path, headers = "/api-auth/login/", {"Referer": "https://pipeline.example.org/api-auth/login/"}
    with proxy(address, proto="https") as browser:
        answer = browser.get(path)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
        (csrf,) = cookies(answer)
        sent = {"Cookie": f"csrftoken={csrf.value}"}
        form = {"username": "olga", "password": "correct horse", "csrfmiddlewaretoken": csrf.value}
        # Without the address that the form came from, or with another site's, it is not taken.
        for origin in ({}, {"Referer": "https://evil.example/"}, {"Origin": "https://evil.example"}):
            assert browser.post(path, data=form, headers=sent | origin).status_code == 403
        answer = browser.post(path, data=form, headers=sent | headers)
    assert answer.status_code == 302
    kept = {cookie.key: cookie for cookie in (csrf, *cookies(answer))}
    assert kept.keys() == {"csrftoken", "sessionid"}
    for cookie in kept.values():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")


def proxy(address: Address, *, proto: str) -> httpx.Client:
    """Return who asks as the proxy in front does; secure cookies are not kept, for here is no TLS."""
    headers = {"Host": "pipeline.example.org", "X-Forwarded-Proto": proto}
    return httpx.Client(base_url="http://{}:{}".format(*address), headers=headers, trust_env=False, timeout=30)


def cookies(answer: httpx.Response) -> list[Morsel[str]]:
    return [morsel for line in answer.headers.get_list("Set-Cookie") for morsel in SimpleCookie(line).values()]
