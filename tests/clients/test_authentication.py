from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.utils import timezone
from oauth2_provider.models import AccessToken
from pytest_django import DjangoAssertNumQueries

from clients.registration import Credentials, activate, deactivate, retire_previous_secret, rotate_secret
from tests.clients.conftest import basic, bearer

pytestmark = pytest.mark.urls("tests.clients.urls")

GetToken = Callable[..., str]
PLAIN_CHALLENGE = 'Bearer realm="Task Pipeline"'
TOKEN_CHALLENGE = 'Bearer realm="Task Pipeline", error="invalid_token"'


def status(browser: Browser, headers: dict[str, str]) -> int:
    return browser.get("/who/", headers=headers).status_code


def test_a_token_says_who_asks_in_one_query(
    browser: Browser, owner: Credentials, get_token: GetToken, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = get_token(owner)
    with django_assert_num_queries(1):
        answer = browser.get("/who/", headers=bearer(token))
    assert answer.json() == {"who": "owner", "by_token": True}


def test_id_and_secret_say_who_asks_in_one_query(
    browser: Browser, owner: Credentials, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        answer = browser.get("/who/", headers=basic(owner.client_id, owner.client_secret))
    assert answer.json() == {"who": "owner", "by_token": False}


def test_anonymous_is_challenged(browser: Browser, db: None) -> None:
    answer = browser.get("/who/")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, PLAIN_CHALLENGE)


@pytest.mark.parametrize("token", ["", "unknown", "a.b", "\xe9\xff", "x" * 9000])
def test_an_unknown_token_is_told_so(token: str, browser: Browser, owner: Credentials) -> None:
    answer = browser.get("/who/", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, TOKEN_CHALLENGE)


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic eDp5", "Digest x", "x"])
def test_another_bad_header_is_challenged(header: str, browser: Browser, db: None) -> None:
    answer = browser.get("/who/", headers={"Authorization": header})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, PLAIN_CHALLENGE)


def test_a_token_lives_an_hour(browser: Browser, owner: Credentials, get_token: GetToken) -> None:
    token = get_token(owner)
    lives = AccessToken.objects.get().expires - timezone.now()
    assert timedelta(minutes=59) < lives <= timedelta(hours=1)

    AccessToken.objects.update(expires=timezone.now())
    assert status(browser, bearer(token)) == 401


def test_a_token_is_taken_from_the_header_only(browser: Browser, owner: Credentials, get_token: GetToken) -> None:
    token = get_token(owner)
    assert browser.get("/who/", {"access_token": token}).status_code == 401
    assert browser.post("/who/", {"access_token": token}).status_code == 401


def test_a_client_s_word_goes_before_a_session(
    browser: Browser, owner: Credentials, make_staff: Callable[..., User]
) -> None:
    browser.force_login(make_staff())
    answer = browser.get("/who/", headers=basic(owner.client_id, owner.client_secret))
    assert answer.json()["who"] == "owner"
    assert status(browser, bearer("unknown")) == 401


def test_deactivation_ends_secret_and_tokens_for_good(
    browser: Browser, owner: Credentials, get_token: GetToken
) -> None:
    token = get_token(owner)
    deactivate(owner.client)
    assert status(browser, bearer(token)) == 401
    assert status(browser, basic(owner.client_id, owner.client_secret)) == 401

    activate(owner.client)
    assert status(browser, bearer(token)) == 401
    assert status(browser, basic(owner.client_id, owner.client_secret)) == 200


def test_deactivation_by_a_plain_update_ends_tokens_too(
    browser: Browser, owner: Credentials, get_token: GetToken
) -> None:
    token = get_token(owner)
    type(owner.client).objects.filter(pk=owner.client.pk).update(is_active=False)
    assert status(browser, bearer(token)) == 401


def test_a_token_issued_while_its_client_was_shut_out_stays_dead(
    browser: Browser, owner: Credentials, get_token: GetToken
) -> None:
    token = get_token(owner)
    type(owner.client).objects.filter(pk=owner.client.pk).update(is_active=False)  # as if issued just before
    activate(owner.client)
    assert status(browser, bearer(token)) == 401


def test_rotation_leaves_the_old_secret_and_its_tokens_working(
    browser: Browser, owner: Credentials, get_token: GetToken
) -> None:
    old_token = get_token(owner)
    new = rotate_secret(owner.client)
    for headers in (
        bearer(old_token),
        bearer(get_token(owner, secret=new)),
        basic(owner.client_id, owner.client_secret),
        basic(owner.client_id, new),
    ):
        assert status(browser, headers) == 200


def test_retiring_ends_a_secret_and_its_tokens_and_no_others(
    browser: Browser, owner: Credentials, stranger: Credentials, get_token: GetToken
) -> None:
    new = rotate_secret(owner.client)
    old_token, new_token = get_token(owner), get_token(owner, secret=new)
    strangers = get_token(stranger)

    assert retire_previous_secret(owner.client)

    assert status(browser, bearer(old_token)) == 401
    assert status(browser, basic(owner.client_id, owner.client_secret)) == 401
    assert status(browser, bearer(new_token)) == 200
    assert status(browser, basic(owner.client_id, new)) == 200
    assert status(browser, bearer(strangers)) == 200


def test_a_second_rotation_retires_the_first_secret(browser: Browser, owner: Credentials, get_token: GetToken) -> None:
    first_token = get_token(owner)
    second = rotate_secret(owner.client)
    rotate_secret(owner.client)
    assert status(browser, bearer(first_token)) == 401
    assert status(browser, basic(owner.client_id, second)) == 200


def test_staff_come_in_by_session(browser: Browser, make_staff: Callable[..., User]) -> None:
    browser.force_login(make_staff())
    assert browser.get("/who/").json() == {"who": "sam", "by_token": False}


def test_a_session_needs_the_csrf_token_to_write(browser: Browser, make_staff: Callable[..., User]) -> None:
    browser.force_login(make_staff("add"))
    answer = browser.post("/who/?client=x")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_another_account_gets_nothing(browser: Browser, db: None) -> None:
    browser.force_login(User.objects.create_user("visitor"))
    answer = browser.get("/who/")
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "This is for clients and staff; your account is neither.",
    )
