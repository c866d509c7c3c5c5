from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from oauth2_provider import models as provider
from pytest_django import DjangoCaptureOnCommitCallbacks

from clients import usage
from clients.models import Client
from clients.registration import Credentials, create_client, rotate_secret
from clients.signals import limits_changed
from clients.usage import Use
from pipelines.models import Pipeline
from tests.clients.conftest import basic, bearer

pytestmark = pytest.mark.urls("tests.clients.urls")

LIST = "/admin/clients/client/"


@pytest.fixture
def operator(make_staff: Callable[..., User]) -> Browser:
    browser = Browser()
    browser.force_login(make_staff("view", "add", "change", "delete"))
    return browser


@pytest.fixture
def counted() -> Generator[dict[int, Use]]:
    """Stand in for the app that knows the jobs."""
    use: dict[int, Use] = {}

    def count(client_ids: Collection[int]) -> Mapping[int, Use]:
        return {client_id: use[client_id] for client_id in client_ids if client_id in use}

    held = usage._counters[:]
    usage.count_with(count)
    yield use
    usage._counters[:] = held


def page(client: Client, name: str = "change") -> str:
    return f"{LIST}{client.pk}/{name}/"


def edited(*clients: Client, **changes: Any) -> dict[str, Any]:
    """Return the form of the list with the same changes for each of these clients."""
    data: dict[str, Any] = {"form-TOTAL_FORMS": len(clients), "form-INITIAL_FORMS": len(clients), "_save": "Save"}
    for number, client in enumerate(clients):
        values = {
            "id": client.pk,
            "priority": client.priority,
            "queue_size": "",
            "max_ready_jobs": "",
            "is_active": "on",
        }
        data |= {f"form-{number}-{name}": value for name, value in {**values, **changes}.items() if value is not None}
        # As the page showed it: only what differs from that is a change.
        data |= {f"initial-form-{number}-{name}": value for name, value in values.items() if name != "id"}
    return data


def shown_secret(html: str) -> str:
    found = re.findall(r"Client secret</th>\s*<td><code>([\w-]{43})</code>", html)
    assert len(found) == 1
    assert html.count(found[0]) == 1
    return str(found[0])


def test_the_list_shows_use_beside_the_limits(operator: Browser, owner: Credentials, counted: dict[int, Use]) -> None:
    counted[owner.client.pk] = Use(in_progress=4321, ready=8765)
    html = operator.get(LIST).content.decode()
    assert '<td class="field-in_progress">4321</td>' in html
    assert '<td class="field-ready">8765</td>' in html


def test_the_list_costs_the_same_whatever_its_length(operator: Browser, counted: dict[int, Use], db: None) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert operator.get(LIST).status_code == 200
        return len(queries)

    create_client("first")
    before = cost()
    for number in range(10):
        create_client(f"more {number}")
    assert cost() == before


def test_limits_are_edited_in_the_list_and_announced(
    operator: Browser, owner: Credentials, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    heard: list[str] = []

    def listen(*, client: Client, **_: Any) -> None:
        heard.append(client.name)

    limits_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            answer = operator.post(LIST, edited(owner.client, priority=3, queue_size=0, max_ready_jobs=9))
    finally:
        limits_changed.disconnect(listen)

    assert answer.status_code == 302
    client = Client.objects.get()
    assert (client.priority, client.queue_size, client.max_ready_jobs) == (3, 0, 9)
    assert client.matching_secret(owner.client_secret)
    assert heard == ["owner"]
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.username) == (str(client.pk), "sam")


def test_an_edit_writes_nothing_but_what_was_edited(operator: Browser, owner: Credentials) -> None:
    form = {"name": "owner", "priority": "4", "is_active": "on", "initial-priority": "3", "initial-is_active": "on"}
    for path, data in ((LIST, edited(owner.client, priority=3)), (page(owner.client), form)):
        with CaptureQueriesContext(connection) as queries:
            assert operator.post(path, data).status_code == 302
        updates = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "clients_client"')]
        assert len(updates) == 1
        assert "priority" in updates[0]
        assert "secret" not in updates[0]


def test_an_old_page_undoes_nobody_elses_edit(operator: Browser, owner: Credentials) -> None:
    old_page = edited(owner.client, priority=3)
    Client.objects.update(queue_size=5)
    assert operator.post(LIST, old_page).status_code == 302
    client = Client.objects.get()
    assert (client.priority, client.queue_size) == (3, 5)


def test_a_bad_limit_is_refused_in_the_list(operator: Browser, owner: Credentials) -> None:
    answer = operator.post(LIST, edited(owner.client, priority=32768))
    assert b"less than or equal to 32767" in answer.content
    assert Client.objects.get().priority == 10


def test_deactivating_in_the_list_ends_tokens_at_once(
    operator: Browser, owner: Credentials, get_token: Callable[..., str]
) -> None:
    token = get_token(owner)
    assert operator.post(LIST, edited(owner.client, is_active=None)).status_code == 302
    assert not Client.objects.get().is_active
    assert not provider.AccessToken.objects.exists()
    assert Browser().get("/who/", headers=bearer(token)).status_code == 401


def test_the_limits_say_which_way_priority_goes(operator: Browser, owner: Credentials) -> None:
    assert "a smaller number is a higher priority" in operator.get(page(owner.client)).content.decode()


def test_a_new_client_s_secrets_are_shown_once(operator: Browser, db: None) -> None:
    answer = operator.post(f"{LIST}add/", {"name": "new", "priority": "5", "is_active": "on"})

    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    client = Client.objects.get()
    html = answer.content.decode()
    secret = shown_secret(html)
    assert html.count(client.webhook_secret) == 1
    assert client.client_id in html
    assert Browser().get("/who/", headers=basic(client.client_id, secret)).json()["who"] == "new"
    assert LogEntry.objects.get().is_addition()
    assert_secrets_are_nowhere(operator, client, secret, client.webhook_secret)


def test_rotation_shows_the_new_secret_once(operator: Browser, owner: Credentials) -> None:
    assert b"Rotate the secret" in operator.get(page(owner.client, "rotate-secret")).content
    assert not Client.objects.get().has_previous_secret

    answer = operator.post(page(owner.client, "rotate-secret"))

    assert "no-store" in answer.headers["Cache-Control"]
    secret = shown_secret(answer.content.decode())
    for good in (secret, owner.client_secret):
        assert Browser().get("/who/", headers=basic(owner.client_id, good)).status_code == 200
    assert LogEntry.objects.get().get_change_message() == "Rotated the secret."
    assert_secrets_are_nowhere(operator, owner.client, secret, owner.client_secret)


def test_rotation_warns_of_the_secret_it_will_retire(operator: Browser, owner: Credentials) -> None:
    assert b"stops at once" not in operator.get(page(owner.client, "rotate-secret")).content
    rotate_secret(owner.client)
    assert b"stops at once" in operator.get(page(owner.client, "rotate-secret")).content


def test_the_previous_secret_is_retired_on_request(operator: Browser, owner: Credentials) -> None:
    assert b"retire-secret" not in operator.get(page(owner.client)).content
    rotate_secret(owner.client)
    assert b"retire-secret" in operator.get(page(owner.client)).content
    assert operator.get(page(owner.client, "retire-secret")).status_code == 200
    assert Client.objects.get().has_previous_secret

    answer = operator.post(page(owner.client, "retire-secret"), follow=True)

    assert b"The previous secret is retired" in answer.content
    assert not Client.objects.get().has_previous_secret
    assert Browser().get("/who/", headers=basic(owner.client_id, owner.client_secret)).status_code == 401
    assert LogEntry.objects.get().get_change_message() == "Retired the previous secret."
    assert b"There was no previous secret" in operator.post(page(owner.client, "retire-secret"), follow=True).content
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("name", ["rotate-secret", "retire-secret"])
def test_secrets_are_for_who_may_change_clients(
    name: str, owner: Credentials, make_staff: Callable[..., User], browser: Browser
) -> None:
    rotate_secret(owner.client)
    before = Client.objects.values_list("client_secret", "previous_secret").get()

    anonymous = Browser().post(page(owner.client, name))
    assert (anonymous.status_code, anonymous.headers["Location"].split("?")[0]) == (302, "/admin/login/")
    viewer = Browser()
    viewer.force_login(make_staff("view", username="viewer"))
    assert viewer.get(page(owner.client, name)).status_code == 403
    assert viewer.post(page(owner.client, name)).status_code == 403
    assert b"otate secret" not in viewer.get(page(owner.client)).content
    browser.force_login(make_staff("change", username="without csrf"))
    assert browser.post(page(owner.client, name)).status_code == 403
    client = Browser().post(page(owner.client, name), headers=basic(owner.client_id, owner.client_secret))
    assert client.status_code == 302

    assert Client.objects.values_list("client_secret", "previous_secret").get() == before


@pytest.mark.parametrize("name", ["rotate-secret", "retire-secret"])
def test_a_client_that_is_not_there_is_not_found(name: str, operator: Browser) -> None:
    for key in ("999999", "x"):
        assert operator.post(f"{LIST}{key}/{name}/").status_code == 404


def test_a_client_with_pipelines_is_not_deleted_and_the_page_says_why(operator: Browser, owner: Credentials) -> None:
    Pipeline.objects.create(client=owner.client)

    for answer in (
        operator.post(page(owner.client, "delete"), {"post": "yes"}),
        operator.post(LIST, {"action": "delete_selected", "_selected_action": [owner.client.pk], "post": "yes"}),
    ):
        assert answer.status_code == 200
        assert b"<li>pipelines</li>" in answer.content
    assert Client.objects.exists()


def test_a_client_without_pipelines_is_deleted_with_its_tokens(
    operator: Browser, owner: Credentials, get_token: Callable[..., str]
) -> None:
    get_token(owner)
    assert operator.post(page(owner.client, "delete"), {"post": "yes"}).status_code == 302
    assert not Client.objects.exists()
    assert not provider.AccessToken.objects.exists()


def test_what_the_oauth_library_offers_is_not_in_the_admin() -> None:
    offered = {provider.AccessToken, provider.Grant, provider.IDToken, provider.RefreshToken}
    assert not any(admin.site.is_registered(model) for model in offered)


def assert_secrets_are_nowhere(operator: Browser, client: Client, *secrets: str) -> None:
    """No page after the one that showed them, no history, no session holds these, or what is stored of them."""
    client.refresh_from_db()
    stored = [client.client_secret, client.webhook_secret_sealed, client.client_secret.split("$")[-1]]
    pages = [LIST, page(client), page(client, "history"), page(client, "delete"), page(client, "rotate-secret")]
    texts = [operator.get(path).content.decode() for path in pages]
    texts += [str(session.get_decoded()) for session in Session.objects.all()]
    texts += list(LogEntry.objects.values_list("change_message", flat=True))
    for text in texts:
        assert not any(secret in text for secret in [*secrets, *stored])
