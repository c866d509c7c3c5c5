from __future__ import annotations

import base64
import logging
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import get_resolver
from oauth2_provider.models import AccessToken
from pytest_django import DjangoAssertNumQueries

from clients.registration import Credentials, deactivate, retire_previous_secret, rotate_secret
from clients.tokens import token_checksum
from tests.clients.conftest import basic, bearer

pytestmark = pytest.mark.urls("tests.clients.urls")

GRANT = {"grant_type": "client_credentials"}


def ask(
    browser: Browser, *, data: dict[str, Any] = GRANT, headers: dict[str, str] | None = None, query: str = ""
) -> Any:
    return browser.post(f"/oauth/token/{query}", data, headers=headers or {})


def test_it_issues_an_opaque_token_for_an_hour(browser: Browser, owner: Credentials) -> None:
    answer = ask(browser, headers=basic(owner.client_id, owner.client_secret))

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert len(body.pop("access_token")) > 43
    assert body == {"expires_in": 3600, "token_type": "Bearer", "scope": "api"}


def test_it_takes_id_and_secret_in_the_body(browser: Browser, owner: Credentials) -> None:
    body = {**GRANT, "client_id": owner.client_id, "client_secret": owner.client_secret}
    assert ask(browser, data=body).status_code == 200


def test_it_form_decodes_the_header(browser: Browser, owner: Credentials) -> None:
    def encoded(text: str) -> str:
        return "".join(f"%{ord(character):02X}" for character in text)

    answer = ask(browser, headers=basic(encoded(owner.client_id), encoded(owner.client_secret)))
    assert answer.status_code == 200


def test_the_scheme_is_matched_without_regard_to_case(browser: Browser, owner: Credentials) -> None:
    header = basic(owner.client_id, owner.client_secret)["Authorization"]
    assert ask(browser, headers={"Authorization": header.replace("Basic", "bASIC")}).status_code == 200


def test_it_keeps_the_hash_of_a_token_only(browser: Browser, owner: Credentials) -> None:
    token = ask(browser, headers=basic(owner.client_id, owner.client_secret)).json()["access_token"]

    row = AccessToken.objects.get()
    assert (row.token, row.token_checksum) == ("", token_checksum(token))
    assert row.application == owner.client


def test_it_issues_for_either_secret_of_a_client(browser: Browser, owner: Credentials) -> None:
    new = rotate_secret(owner.client)
    for secret in (owner.client_secret, new):
        assert ask(browser, headers=basic(owner.client_id, secret)).status_code == 200

    retire_previous_secret(owner.client)
    assert ask(browser, headers=basic(owner.client_id, owner.client_secret)).status_code == 401
    assert ask(browser, headers=basic(owner.client_id, new)).status_code == 200


def refused(answer: Any) -> None:
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client"}
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Task Pipeline"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert not AccessToken.objects.exists()


def test_an_inactive_client_gets_none(browser: Browser, owner: Credentials) -> None:
    deactivate(owner.client)
    refused(ask(browser, headers=basic(owner.client_id, owner.client_secret)))


def test_anonymous_gets_none(browser: Browser, db: None) -> None:
    refused(ask(browser))


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        ("ID", "wrong"),
        ("ID", ""),
        ("nobody", "SECRET"),
        ("ID\0", "SECRET"),
        ("%00", "SECRET"),
        ("", ""),
        ("x" * 5000, "SECRET"),
        ("\ud800".encode("utf-8", "replace").decode(), "SECRET"),
    ],
)
def test_a_wrong_pair_gets_none(client_id: str, secret: str, browser: Browser, owner: Credentials) -> None:
    client_id, secret = client_id.replace("ID", owner.client_id), secret.replace("SECRET", owner.client_secret)
    refused(ask(browser, headers=basic(client_id, secret)))
    refused(ask(browser, data={**GRANT, "client_id": client_id, "client_secret": secret}))


def test_a_stranger_s_secret_opens_nothing(browser: Browser, owner: Credentials, stranger: Credentials) -> None:
    refused(ask(browser, headers=basic(owner.client_id, stranger.client_secret)))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic %%%",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic YQ==",
        "Bearer x",
        "Digest x",
    ],
)
def test_a_header_that_cannot_be_read_gets_none(header: str, browser: Browser, owner: Credentials) -> None:
    refused(ask(browser, headers={"Authorization": header}))


def test_a_header_and_a_body_that_name_two_clients_get_none(
    browser: Browser, owner: Credentials, stranger: Credentials
) -> None:
    body = {**GRANT, "client_id": stranger.client_id, "client_secret": stranger.client_secret}
    refused(ask(browser, data=body, headers=basic(owner.client_id, owner.client_secret)))


@pytest.mark.parametrize(
    "grant",
    [
        "password",
        "authorization_code",
        "refresh_token",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "x",
    ],
)
def test_no_other_grant_may_be_used(grant: str, browser: Browser, owner: Credentials) -> None:
    answer = ask(browser, data={"grant_type": grant}, headers=basic(owner.client_id, owner.client_secret))
    assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_grant_type"})


@pytest.mark.parametrize(
    ("data", "query", "error"),
    [
        ({}, "", "invalid_request"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "", "invalid_request"),
        (GRANT, "?client_id=x", "invalid_request"),
        ({**GRANT, "scope": "everything"}, "", "invalid_scope"),
    ],
)
def test_a_bad_request_is_named(
    data: dict[str, Any], query: str, error: str, browser: Browser, owner: Credentials
) -> None:
    answer = ask(browser, data=data, query=query, headers=basic(owner.client_id, owner.client_secret))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"


def test_what_it_does_not_know_it_ignores(browser: Browser, owner: Credentials, stranger: Credentials) -> None:
    odd = {"client": stranger.client_id, "user": "1", "issued_with": "0" * 16, "expires_in": "9", "resource": "x"}
    answer = ask(browser, data={**GRANT, **odd}, headers=basic(owner.client_id, owner.client_secret))
    assert answer.status_code == 200
    assert browser.get("/who/", headers=bearer(answer.json()["access_token"])).json()["who"] == "owner"


def test_it_reads_forms_and_answers_post_only(browser: Browser, owner: Credentials) -> None:
    headers = basic(owner.client_id, owner.client_secret)
    answer = browser.post("/oauth/token/", '{"grant_type": "client_credentials"}', "application/json", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert browser.get("/oauth/token/", headers=headers).status_code == 405


def test_a_large_request_is_refused_unread(browser: Browser, db: None) -> None:
    answer = ask(browser, data={**GRANT, "client_secret": "x" * 20_000})
    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")


def test_it_costs_two_statements(
    browser: Browser, owner: Credentials, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # And a savepoint with its release, since the test is in a transaction already.
    with django_assert_num_queries(4):
        ask(browser, headers=basic(owner.client_id, owner.client_secret))


def test_no_secret_is_logged(browser: Browser, owner: Credentials, caplog: pytest.LogCaptureFixture) -> None:
    # DEBUG of everything but oauthlib, whose debug lines hold the token: the settings keep them off.
    caplog.set_level(logging.DEBUG)
    logging.getLogger("oauthlib").setLevel(logging.INFO)
    token = ask(browser, headers=basic(owner.client_id, owner.client_secret)).json()["access_token"]
    ask(browser, headers=basic(owner.client_id, owner.client_secret + "x"))
    ask(browser, data={**GRANT, "client_id": owner.client_id, "client_secret": owner.client_secret + "x"})
    assert token not in caplog.text
    assert owner.client_secret not in caplog.text


def test_nothing_else_of_oauth_is_mounted() -> None:
    mounted = get_resolver("clients.urls").url_patterns
    assert [str(route.pattern) for route in mounted] == ["token/", "revoke_token/"]
