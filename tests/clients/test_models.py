from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError

from clients.hashers import HASH_PREFIX, hash_secret, secret_matches
from clients.models import Client
from clients.registration import Credentials, create_client

pytestmark = pytest.mark.django_db


def test_it_begins_with_the_contract_s_defaults() -> None:
    client = create_client("new").client
    client.refresh_from_db()
    assert (client.priority, client.queue_size, client.max_ready_jobs, client.is_active) == (10, None, None, True)
    assert (client.client_type, client.authorization_grant_type) == ("confidential", "client-credentials")


@pytest.mark.parametrize(
    "values",
    [
        {"priority": -1},
        {"priority": 32768},
        {"queue_size": -1},
        {"max_ready_jobs": -1},
        {"name": ""},
        {"client_type": "public"},
        {"authorization_grant_type": "password"},
        {"hash_client_secret": False},
        {"client_secret": "in clear"},
        {"client_secret": ""},
        {"previous_secret": "in clear"},
    ],
)
def test_the_database_refuses_it(values: dict[str, Any]) -> None:
    create_client("new")
    with pytest.raises((IntegrityError, DataError)):
        Client.objects.update(**values)


@pytest.mark.parametrize("values", [{"priority": 0}, {"priority": 32767}, {"queue_size": 0}, {"max_ready_jobs": 0}])
def test_the_ends_of_the_ranges_are_good(values: dict[str, int]) -> None:
    create_client("new")
    Client.objects.update(**values)
    client = Client.objects.get()
    assert {name: getattr(client, name) for name in values} == values


def test_two_clients_do_not_share_a_name() -> None:
    create_client("new")
    with pytest.raises(ValidationError, match="already exists"):
        create_client("new")


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0b", "a\x85b", "x" * 256])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        create_client(name)
    assert list(caught.value.message_dict) == ["name"]


def test_a_secret_given_in_clear_is_hashed_as_it_is_saved() -> None:
    client = Client.objects.create(name="new", client_secret="given by hand")
    client.refresh_from_db()
    assert client.client_secret.startswith(HASH_PREFIX)
    assert secret_matches("given by hand", stored=client.client_secret)


def test_the_stored_secret_is_no_secret(owner: Credentials) -> None:
    owner.client.refresh_from_db()
    assert owner.client.matching_secret(owner.client.client_secret) is None


def test_an_empty_secret_matches_nothing(owner: Credentials) -> None:
    assert owner.client.matching_secret("") is None
    assert not secret_matches("", stored=hash_secret(""))


def test_no_secret_is_in_its_text(owner: Credentials) -> None:
    text = f"{owner!r} {owner} {owner.client!r} {owner.client}"
    stored = owner.client
    for secret in (owner.client_secret, owner.webhook_secret, stored.client_secret, stored.webhook_secret_sealed):
        assert secret not in text
    assert repr(owner.client) == f"<Client {owner.client.pk}: 'owner'>"


def test_the_webhook_secret_can_be_read_again_and_is_sealed_at_rest(owner: Credentials) -> None:
    stored = Client.objects.get(pk=owner.client.pk)
    assert stored.webhook_secret == owner.webhook_secret
    assert owner.webhook_secret not in stored.webhook_secret_sealed


def test_it_answers_what_is_asked_of_a_user(owner: Credentials) -> None:
    client = owner.client
    assert client.is_authenticated
    assert not (client.is_anonymous or client.is_staff or client.is_superuser)
    assert client.get_username() == "owner"
    assert not client.has_perm("clients.view_client")
    assert not client.has_perms(["clients.view_client"])
    assert not client.has_module_perms("clients")
    asked = {"is_authenticated", "is_anonymous", "is_staff", "is_superuser", "is_active", "get_username", "has_perm"}
    assert all(hasattr(AnonymousUser(), name) and hasattr(client, name) for name in asked)


def test_nobody_s_account_takes_a_client_along() -> None:
    assert "user" not in {field.name for field in Client._meta.get_fields()}
