from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from clients import vault
from clients.models import Client, NamedSecret
from clients.registration import Credentials
from tests.operators import an_operator, form_of
from tests.operators import page as shown

pytestmark = pytest.mark.urls("tests.clients.urls")

VALUE = "correct horse battery staple"


@pytest.fixture
def operator(db: None) -> Browser:
    return an_operator()


def where(client: Client) -> str:
    return f"/admin/clients/client/{client.pk}/change/"


def send(operator: Browser, client: Client, **changes: Any) -> Any:
    """Open the client's page, change it so, and send it."""
    fields = form_of(
        shown(operator, where(client)), **{name.replace("__", "-"): text for name, text in changes.items()}
    )
    return operator.post(where(client), {**fields, "_continue": "1"}, follow=True)


def value_of(client: Client, name: str = "TOKEN") -> str | None:
    return vault.reveal([(client.pk, name)]).get((client.pk, name))


def test_staff_add_replace_and_delete_a_secret_and_never_see_it(operator: Browser, owner: Credentials) -> None:
    client = owner.client
    pages = [send(operator, client, secrets__0__name="TOKEN", secrets__0__value=VALUE)]
    assert value_of(client) == VALUE
    pages += [send(operator, client, secrets__0__value="a second value")]
    assert value_of(client) == "a second value"
    pages += [send(operator, client, priority="3")]  # left empty, it stays
    assert value_of(client) == "a second value"
    pages += [operator.get(f"/admin/clients/client/{client.pk}/{name}/") for name in ("change", "history", "delete")]
    pages += [send(operator, client, secrets__0__DELETE="on")]
    assert not NamedSecret.objects.exists()
    assert all(page.status_code == 200 for page in pages)
    texts = [page.text for page in pages]
    texts += [str(session.get_decoded()) for session in Session.objects.all()]
    texts += [f"{entry.change_message} {entry.get_change_message()}" for entry in LogEntry.objects.all()]
    assert any("Added named secret “TOKEN”" in text for text in texts)
    assert any("Changed value for named secret “TOKEN”" in text for text in texts)
    assert not any(secret in text for text in texts for secret in (VALUE, "a second value", "gAAAA"))


@pytest.mark.parametrize(
    ("name", "value"), [("A-B", VALUE), ("TOKEN", ""), ("", VALUE), ("TOKEN", VALUE + "x" * 65536)]
)
def test_a_mistake_is_told_and_the_value_is_not_shown_again(
    operator: Browser, owner: Credentials, name: str, value: str
) -> None:
    answer = send(operator, owner.client, secrets__0__name=name, secrets__0__value=value)
    assert "errorlist" in answer.text
    assert VALUE not in answer.text
    assert not NamedSecret.objects.exists()


def test_lines_arrive_as_they_were_pasted(operator: Browser, owner: Credentials) -> None:
    send(operator, owner.client, secrets__0__name="KEY", secrets__0__value=" one\r\ntwo\r\n")
    assert value_of(owner.client, "KEY") == " one\ntwo\n"


def test_a_name_stays_and_a_second_of_it_is_refused(operator: Browser, owner: Credentials) -> None:
    vault.put(owner.client, name="TOKEN", value=VALUE)
    send(operator, owner.client, secrets__0__name="OTHER", secrets__0__value="another")
    assert vault.names_of(owner.client.pk) == {"TOKEN"}
    answer = send(operator, owner.client, secrets__1__name="TOKEN", secrets__1__value="a third")
    assert "correct the duplicate" in answer.text
    assert value_of(owner.client) == "another"


def test_secrets_are_for_who_may_change_them(owner: Credentials, make_staff: Callable[..., User]) -> None:
    vault.put(owner.client, name="TOKEN", value=VALUE)
    for_clients = Browser()
    for_clients.force_login(make_staff("view", "change"))
    viewer = an_operator("view_client", "change_client", "view_namedsecret")
    assert "TOKEN" not in shown(for_clients, where(owner.client))
    page = shown(viewer, where(owner.client))
    assert "TOKEN" in page and "secrets-0-value" not in page and VALUE not in page
    forged = {"secrets-0-name": "TOKEN", "secrets-0-value": "forged", "secrets-0-id": NamedSecret.objects.get().pk}
    management = {"secrets-TOTAL_FORMS": 1, "secrets-INITIAL_FORMS": 1, "secrets-0-client": owner.client.pk}
    for browser in (for_clients, viewer):
        browser.post(where(owner.client), {**form_of(shown(browser, where(owner.client))), **forged, **management})
    assert value_of(owner.client) == VALUE


def test_a_new_client_has_none_yet(operator: Browser) -> None:
    assert "secrets-0-value" not in shown(operator, "/admin/clients/client/add/")
