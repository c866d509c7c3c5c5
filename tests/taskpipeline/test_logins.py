"""Guessing passwords: how often, from where, and whom it must not hold back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.test import RequestFactory
from django.utils import timezone
from pytest_django import Settings

from clients.registration import create_client
from taskpipeline.logins import client_address
from tests.api import as_client, as_operator
from tests.clients.conftest import basic

pytestmark = pytest.mark.django_db

LIMIT = 3
PASSWORD = "correct horse"
DOORS = ["/admin/login/", "/api-auth/login/"]


@pytest.fixture(autouse=True)
def limited(settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = LIMIT
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    User.objects.create_superuser("olga", password=PASSWORD)
    User.objects.create_superuser("sam", password=PASSWORD)


def log_in(door: str, password: str = PASSWORD, *, user: str = "olga", address: str = "192.0.2.1", **sent: str) -> int:
    """Try to log in from a fresh browser and return the status: 302 lets in, 200 shows the form again."""
    answer: Any = Browser(REMOTE_ADDR=address).post(door, {"username": user, "password": password}, headers=sent)
    assert (answer.status_code == 302) is ("sessionid" in answer.cookies)
    status: int = answer.status_code
    return status


@pytest.mark.parametrize("door", DOORS)
def test_after_too_many_failures_not_even_the_right_password_is_tried(door: str) -> None:
    assert [log_in(door, "wrong") for _ in range(LIMIT)] == [200] * (LIMIT - 1) + [429]
    assert [log_in(each) for each in DOORS] == [429, 429]


def test_the_page_says_when_to_come_again(settings: Settings) -> None:
    settings.AXES_COOLOFF_TIME = timedelta(seconds=90)
    for _ in range(LIMIT):
        log_in(DOORS[0], "wrong")
    answer = Browser(REMOTE_ADDR="192.0.2.1").post(DOORS[0], {"username": "olga", "password": PASSWORD})
    assert answer.headers["Retry-After"] == "90"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Wait 2 minutes" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "olga" not in answer.text


def test_it_ends_after_a_while_whatever_was_tried_meanwhile(settings: Settings) -> None:
    for _ in range(2 * LIMIT):
        log_in(DOORS[0], "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)
    assert log_in(DOORS[0]) == 302


def test_an_operator_cannot_be_locked_out_from_elsewhere() -> None:
    for _ in range(2 * LIMIT):
        log_in(DOORS[0], "wrong", address="198.51.100.9")
    assert log_in(DOORS[0], address="192.0.2.1") == 302


def test_another_operator_behind_the_same_address_gets_in() -> None:
    for _ in range(2 * LIMIT):
        log_in(DOORS[0], "wrong")
    assert log_in(DOORS[0], user="sam") == 302


def test_another_browser_is_no_fresh_start() -> None:
    assert [log_in(DOORS[0], "wrong", user_agent=f"browser {n}") for n in range(LIMIT)][-1] == 429


def test_who_gets_in_begins_anew() -> None:
    for _ in range(2):
        assert [log_in(DOORS[0], "wrong") for _ in range(LIMIT - 1)] == [200] * (LIMIT - 1)
        assert log_in(DOORS[0]) == 302


def test_what_was_typed_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(LIMIT + 1):
        log_in(DOORS[0], "nearly correct horse")
    kept = " ".join(map(str, AccessAttempt.objects.values_list()))
    assert "olga" in kept
    assert "horse" not in kept + caplog.text
    assert "olga" not in caplog.text


@pytest.mark.parametrize("name", ["x" * 5000, "ol\0ga", "\ud800".encode(errors="replace").decode(), "' OR 1=1 --", ""])
def test_a_hostile_name_is_a_wrong_one(name: str) -> None:
    assert log_in(DOORS[0], user=name) == 200


def test_a_session_and_clients_stay_in_while_a_name_is_locked() -> None:
    operator, client = as_operator(), as_client(create_client("owner"))
    for _ in range(2 * LIMIT):
        log_in(DOORS[0], "wrong", user="root")
    assert operator.get("kinds/").status_code == client.get("kinds/").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/kinds/", "/oauth/token/"])
def test_nobody_locks_a_client_out_by_wrong_secrets(path: str) -> None:
    # Its id is no secret, and 256 random bits are not guessed: to refuse the right ones would be the only effect.
    made = create_client("owner")
    browser = Browser()

    def ask(secret: str) -> int:
        headers = basic(made.client_id, secret)
        if path == "/oauth/token/":
            return browser.post(path, {"grant_type": "client_credentials"}, headers=headers).status_code
        return browser.get(path, headers=headers).status_code

    assert {ask(f"wrong {number}") for number in range(5 * LIMIT)} == {401}
    assert ask(made.client_secret) == 200
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize("behind", [False, True])
def test_an_address_that_the_caller_writes_himself_is_not_believed(behind: bool, settings: Settings) -> None:
    settings.BEHIND_PROXY = behind
    # A proxy adds the address it sees to whatever came in.
    seen = "198.51.100.9" if behind else ""
    tried = [
        log_in(DOORS[0], "wrong", X_Forwarded_For=f"10.0.0.{number}" + (f", {seen}" if seen else ""))
        for number in range(LIMIT)
    ]
    assert tried == [200] * (LIMIT - 1) + [429]
    assert AccessAttempt.objects.get().ip_address == (seen or "192.0.2.1")


def test_behind_a_proxy_callers_are_told_apart(settings: Settings) -> None:
    settings.BEHIND_PROXY = True
    for _ in range(2 * LIMIT):
        log_in(DOORS[0], "wrong", X_Forwarded_For="198.51.100.9")
    assert log_in(DOORS[0], X_Forwarded_For="203.0.113.5") == 302


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("", None, None),
        ("192.0.2.1", "198.51.100.9:1234", None),
        ("192.0.2.1", "x\0", None),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded: str | None, address: str | None, settings: Settings) -> None:
    settings.BEHIND_PROXY = True
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)) == address
