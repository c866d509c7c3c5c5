from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.utils.crypto import constant_time_compare

SECRET_BYTES = 32


def new_secret() -> str:
    """Make a client secret: 32 random bytes in URL-safe base64, 43 characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


class ClientSecretHasher(BasePasswordHasher):
    """Hash a client secret with one salted SHA-256.

    Secrets are made by the service from 256 random bits, so there is no dictionary to try and
    nothing that many rounds would protect; Basic authentication has to cost next to nothing,
    since it is checked again on every request.

    Never list it first in PASSWORD_HASHERS: people's passwords need a slow hash.
    """

    algorithm = "client_sha256"

    def salt(self) -> str:
        return secrets.token_hex(16)

    def encode(self, password: str, salt: str) -> str:
        digest = hashlib.sha256(f"{salt}{password}".encode()).hexdigest()
        return f"{self.algorithm}${salt}${digest}"

    def decode(self, encoded: str) -> dict[str, Any]:
        algorithm, salt, digest = encoded.split("$")
        return {"algorithm": algorithm, "salt": salt, "hash": digest}

    def verify(self, password: str, encoded: str) -> bool:
        return constant_time_compare(encoded, self.encode(password, self.decode(encoded)["salt"]))

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        return {"algorithm": self.algorithm}

    def must_update(self, encoded: str) -> bool:
        return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: there is no work factor to even out."""


HASHER = ClientSecretHasher()
HASH_PREFIX = f"{HASHER.algorithm}$"


def hash_secret(secret: str) -> str:
    """Return what is stored of a secret."""
    return HASHER.encode(secret, HASHER.salt())


def new_hashed_secret() -> str:
    """Return what is stored of a secret that nobody knows."""
    return hash_secret(new_secret())


def secret_matches(secret: str, *, stored: str) -> bool:
    """Tell in constant time whether a secret is the one stored; nothing matches an empty place."""
    return bool(secret) and stored.startswith(HASH_PREFIX) and HASHER.verify(secret, stored)
