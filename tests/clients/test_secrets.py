from __future__ import annotations

import base64
import hashlib

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password, get_hashers_by_algorithm
from pytest_django import Settings

from clients import hashers
from clients.exceptions import UnsealError
from clients.hashers import HASHER, hash_secret, new_secret, secret_matches
from clients.sealing import seal, unseal
from clients.tokens import secret_fingerprint
from clients.webhooks import new_webhook_secret


def test_a_secret_is_32_random_bytes() -> None:
    secret = new_secret()
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert secret != new_secret()


def test_a_hash_is_one_salted_sha256() -> None:
    algorithm, salt, digest = hash_secret("secret").split("$")
    assert (algorithm, len(salt)) == ("client_sha256", 32)
    assert digest == hashlib.sha256(f"{salt}secret".encode()).hexdigest()
    assert hash_secret("secret") != hash_secret("secret")


def test_a_secret_matches_its_own_hash_only() -> None:
    stored = hash_secret("secret")
    assert secret_matches("secret", stored=stored)
    assert not secret_matches("secret ", stored=stored)
    assert not secret_matches("secret", stored="")
    assert not secret_matches("secret", stored="secret")
    assert not secret_matches("s\u00e9cret", stored=stored)


def test_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr(hashers, "constant_time_compare", compare)
    stored = hash_secret("secret")
    assert secret_matches("secret", stored=stored)
    assert not secret_matches("wrong", stored=stored)
    assert [left for left, _ in compared] == [stored, stored]


def test_django_knows_the_hasher_and_keeps_it_from_passwords() -> None:
    assert HASHER.algorithm in get_hashers_by_algorithm()
    assert settings.PASSWORD_HASHERS[0] != "clients.hashers.ClientSecretHasher"
    assert check_password("secret", hash_secret("secret"))
    assert HASHER.safe_summary(hash_secret("secret")) == {"algorithm": "client_sha256"}


def test_a_fingerprint_tells_nothing_of_the_hash() -> None:
    stored = hash_secret("secret")
    assert secret_fingerprint(stored) == secret_fingerprint(stored)
    assert secret_fingerprint(stored) not in stored
    assert secret_fingerprint(stored) != secret_fingerprint(hash_secret("secret"))


def test_what_is_sealed_can_be_read_and_is_not_in_clear() -> None:
    sealed = seal("text")
    assert "text" not in sealed
    assert sealed != seal("text")
    assert unseal(sealed) == "text"


def test_a_key_that_rotates_still_opens_what_it_sealed(settings: Settings) -> None:
    sealed = seal("text")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key"
    assert unseal(sealed) == "text"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(UnsealError, match="SECRET_KEY"):
        unseal(sealed)


def test_a_webhook_secret_has_the_form_of_the_specification() -> None:
    secret = new_webhook_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
