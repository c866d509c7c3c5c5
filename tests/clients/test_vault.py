from __future__ import annotations

import pytest
from pytest_django import Settings

from clients import vault
from clients.exceptions import InvalidSecret, TooManySecrets
from clients.models import NamedSecret
from clients.registration import Credentials, create_client
from tests.concurrency import begin, held_elsewhere, result, wait_until_blocked

VALUE = "correct horse battery staple"


def test_a_value_is_kept_sealed_and_can_be_revealed(owner: Credentials) -> None:
    assert vault.put(owner.client, name="TOKEN", value=VALUE)
    kept = NamedSecret.objects.get()
    assert VALUE not in kept.sealed_value
    assert VALUE not in repr(kept) + repr(vars(kept)) + str(kept)
    assert vault.reveal([(owner.client.pk, "TOKEN")]) == {(owner.client.pk, "TOKEN"): VALUE}


def test_putting_it_again_replaces_the_value(owner: Credentials) -> None:
    vault.put(owner.client, name="TOKEN", value="before")
    created = NamedSecret.objects.get()
    assert not vault.put(owner.client, name="TOKEN", value=VALUE)
    replaced = NamedSecret.objects.get()
    assert vault.reveal([(owner.client.pk, "TOKEN")])[owner.client.pk, "TOKEN"] == VALUE
    assert replaced.created_at == created.created_at


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A.B", "Ä", "A\n", "A\0", "A" * 129])
def test_a_name_is_one_of_an_environment_variable(owner: Credentials, name: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        vault.put(owner.client, name=name, value=VALUE)
    assert refused.value.field == "name"
    assert not vault.delete(owner.client, name=name)
    assert not NamedSecret.objects.exists()


@pytest.mark.parametrize("value", ["", "hunter2\0", "hunter2\ud800", "hunter2" + "é" * (32 * 1024)])
def test_a_value_that_cannot_be_kept_is_refused_and_not_told(owner: Credentials, value: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        vault.put(owner.client, name="TOKEN", value=value)
    assert refused.value.field == "value"
    assert "hunter2" not in str(refused.value)
    assert not NamedSecret.objects.exists()


def test_names_and_values_are_taken_to_their_limits(owner: Credentials) -> None:
    for name, value in (("_", "x"), ("A" * 128, "é" * (32 * 1024))):
        vault.put(owner.client, name=name, value=value)
        assert vault.reveal([(owner.client.pk, name)])[owner.client.pk, name] == value
    assert vault.names_of(owner.client.pk) == {"_", "A" * 128}


def test_a_stranger_s_secret_of_the_same_name_is_another(owner: Credentials, stranger: Credentials) -> None:
    vault.put(owner.client, name="TOKEN", value=VALUE)
    vault.put(stranger.client, name="OTHER", value="theirs")
    assert vault.names_of(stranger.client.pk) == {"OTHER"}
    assert not vault.delete(stranger.client, name="TOKEN")
    # Names and clients are not mixed up where several are asked for.
    wanted = [(owner.client.pk, "OTHER"), (stranger.client.pk, "TOKEN"), (owner.client.pk, "TOKEN")]
    assert vault.reveal(wanted) == {(owner.client.pk, "TOKEN"): VALUE}


def test_a_deleted_one_is_gone(owner: Credentials) -> None:
    vault.put(owner.client, name="TOKEN", value=VALUE)
    assert vault.delete(owner.client, name="TOKEN")
    assert not vault.delete(owner.client, name="TOKEN")
    assert vault.reveal([(owner.client.pk, "TOKEN")]) == {}


def test_one_whose_key_is_gone_is_not_taken_for_missing(owner: Credentials, settings: Settings) -> None:
    vault.put(owner.client, name="TOKEN", value=VALUE)
    settings.SECRET_KEY = "another key"
    vault.put(owner.client, name="LATER", value=VALUE)
    keys = [(owner.client.pk, "TOKEN"), (owner.client.pk, "LATER")]
    assert vault.reveal(keys) == {keys[0]: None, keys[1]: VALUE}


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_pass_the_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "SECRETS_MAX", 2)
    client = create_client("owner").client
    vault.put(client, name="FIRST", value=VALUE)

    def attempt() -> bool:
        try:
            return vault.put(client, name="B", value=VALUE)
        except TooManySecrets:
            return False

    with held_elsewhere(lambda: vault.put(client, name="A", value=VALUE)):
        second = begin(attempt)
        wait_until_blocked(second)
        assert not second.done()
    assert not result(second)
    assert vault.names_of(client.pk) == {"FIRST", "A"}
    assert not vault.put(client, name="FIRST", value="another")  # to replace one is always allowed
