from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from clients.registration import Credentials, create_client
from tests.clients.conftest import basic

pytestmark = pytest.mark.urls("tests.clients.urls")

REQUESTS = {
    "list": ("GET", "/things/", "view"),
    "options": ("OPTIONS", "/things/", "view"),
    "retrieve": ("GET", "/things/{pk}/", "view"),
    "create": ("POST", "/things/", "add"),
    "update": ("PATCH", "/things/{pk}/", "change"),
    "act on one": ("POST", "/things/{pk}/stop/", "change"),
    "delete": ("DELETE", "/things/{pk}/", "delete"),
}


@pytest.mark.parametrize("held", ["view", "add", "change", "delete", None])
@pytest.mark.parametrize("name", REQUESTS)
def test_staff_need_the_model_permission(
    name: str, held: str | None, make_staff: Callable[..., User], owner: Credentials
) -> None:
    method, path, needed = REQUESTS[name]
    browser = Browser()
    browser.force_login(make_staff(*([held] if held else [])))

    answer = browser.generic(
        method, path.format(pk=owner.client.pk), '{"name": "another"}', content_type="application/json"
    )

    if held == needed:
        assert answer.status_code < 300
    else:
        assert answer.status_code == 403
        assert answer.json()["detail"] == f"This needs the permission clients.{needed}_client."


def test_what_is_for_staff_is_not_for_clients(browser: Browser, owner: Credentials) -> None:
    answer = browser.get("/staff/", headers=basic(owner.client_id, owner.client_secret))
    assert (answer.status_code, answer.json()["detail"]) == (403, "This is for staff.")


def test_what_is_for_staff_challenges_anonymous(browser: Browser, db: None) -> None:
    assert browser.get("/staff/").status_code == 401


def test_a_view_without_a_model_asks_for_staff_only(browser: Browser, make_staff: Callable[..., User]) -> None:
    browser.force_login(make_staff())
    assert browser.get("/staff/").status_code == 200


def test_a_client_submits_for_itself(browser: Browser, owner: Credentials) -> None:
    for query in ("", f"?client={owner.client_id}"):
        answer = browser.post(f"/who/{query}", headers=basic(owner.client_id, owner.client_secret))
        assert answer.json() == {"for": owner.client_id}


def test_a_client_submits_for_no_other(browser: Browser, owner: Credentials, stranger: Credentials) -> None:
    for named in (stranger.client_id, "nobody"):
        answer = browser.post(f"/who/?client={named}", headers=basic(owner.client_id, owner.client_secret))
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("?client=", 400), ("?client=nobody", 404), ("?client=%00", 404)]
)
def test_staff_name_a_client_that_exists(query: str, status: int, make_staff: Callable[..., User]) -> None:
    browser = Browser()
    browser.force_login(make_staff())
    assert browser.post(f"/who/{query}").status_code == status


def test_staff_submit_for_a_client(make_staff: Callable[..., User]) -> None:
    made = create_client("theirs")
    browser = Browser()
    browser.force_login(make_staff())
    assert browser.post(f"/who/?client={made.client_id}").json() == {"for": made.client_id}
