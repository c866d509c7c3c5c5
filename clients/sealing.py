"""Secrets that the service must be able to read again, encrypted at rest."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from clients.exceptions import UnsealError


def seal(plain: str) -> str:
    """Encrypt a text under SECRET_KEY."""
    return _box((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)).encrypt(plain.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt what `seal` made under SECRET_KEY or one of SECRET_KEY_FALLBACKS.

    Raises UnsealError if neither key made it.
    """
    box = _box((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    try:
        return box.decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise UnsealError from error


def resealed(sealed: str) -> str:
    """Return the same under SECRET_KEY, unchanged if it is already; raise UnsealError as `unseal` does."""
    try:
        _box((settings.SECRET_KEY,)).decrypt(sealed.encode())
    except InvalidToken:
        return seal(unseal(sealed))
    return sealed


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"taskpipeline.sealing")
    return base64.urlsafe_b64encode(hkdf.derive(key.encode()))
