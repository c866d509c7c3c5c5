from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser

from clients.registration import Credentials, deactivate
from tests.clients.conftest import basic, bearer

pytestmark = pytest.mark.urls("tests.clients.urls")


def works(browser: Browser, token: str) -> bool:
    return browser.get("/who/", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "access_token"}, {"token_type_hint": "anything"}])
def test_a_client_ends_its_own_token(
    hint: dict[str, str], browser: Browser, owner: Credentials, get_token: Callable[..., str]
) -> None:
    token, other = get_token(owner), get_token(owner)

    answer = browser.post(
        "/oauth/revoke_token/", {"token": token, **hint}, headers=basic(owner.client_id, owner.client_secret)
    )

    assert answer.status_code == 200
    assert not works(browser, token)
    assert works(browser, other)


def test_a_stranger_ends_nothing_and_learns_nothing(
    browser: Browser, owner: Credentials, stranger: Credentials, get_token: Callable[..., str]
) -> None:
    token = get_token(owner)
    for guess in (token, "unknown"):
        answer = browser.post(
            "/oauth/revoke_token/", {"token": guess}, headers=basic(stranger.client_id, stranger.client_secret)
        )
        assert (answer.status_code, answer.content) == (200, b"")
    assert works(browser, token)


def test_anonymous_ends_nothing(browser: Browser, owner: Credentials, get_token: Callable[..., str]) -> None:
    token = get_token(owner)
    for data in ({"token": token}, {"token": token, "client_id": owner.client_id}):
        answer = browser.post("/oauth/revoke_token/", data)
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert works(browser, token)


def test_an_inactive_client_may_not_ask(browser: Browser, owner: Credentials) -> None:
    deactivate(owner.client)
    answer = browser.post("/oauth/revoke_token/", {"token": "x"}, headers=basic(owner.client_id, owner.client_secret))
    assert answer.status_code == 401


def test_a_request_without_a_token_is_told_so(browser: Browser, owner: Credentials) -> None:
    answer = browser.post("/oauth/revoke_token/", {}, headers=basic(owner.client_id, owner.client_secret))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_it_answers_post_only(browser: Browser) -> None:
    assert browser.get("/oauth/revoke_token/?token=x").status_code == 405
