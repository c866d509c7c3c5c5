"""Access tokens: `<fingerprint of the secret it was issued with>.<random>`.

Only the checksum of a token is stored, and a token is found by that checksum alone, so what a token
says of itself was said by the service when it was issued. The fingerprint ties it to its secret: when the
secret goes, everything issued with it goes in the same instant, without any list of tokens to keep.
"""

from __future__ import annotations

import hashlib
import secrets

from oauthlib.common import Request

TOKEN_BYTES = 32


def secret_fingerprint(stored: str) -> str:
    """Name a secret by what is stored of it; says nothing about the secret itself."""
    return hashlib.sha256(stored.encode()).hexdigest()[:16]


def token_checksum(token: str) -> str:
    """Compute what django-oauth-toolkit stores of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token(request: Request, refresh_token: bool = False) -> str:
    """Make an access token for the secret that the request was authenticated with."""
    return f"{request.issued_with}.{secrets.token_urlsafe(TOKEN_BYTES)}"
