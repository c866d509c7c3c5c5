"""What a runner shows the API: a token of its own, or one that is good for a single attempt."""

from __future__ import annotations

import hashlib
import secrets

from django.core import signing

_SALT = "runners.attempt"


def new_runner_token() -> str:
    """Return a runner's token: 32 random bytes, kept only as a digest."""
    return f"tpr_{secrets.token_urlsafe(32)}"


def digest(token: str) -> str:
    """Return what is kept of a runner's token; a fast hash will do for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def attempt_token(*, job: int, attempt: int) -> str:
    """Return the token good for that attempt's reports and nothing else, as long as its row exists.

    Signed, not stored: the key is SECRET_KEY, its fallbacks are honoured.
    """
    return signing.Signer(salt=_SALT).sign(f"{job}.{attempt}")


def read_attempt_token(token: str) -> tuple[int, int] | None:
    """Return the job and attempt a token was made for, or None if it was not made here."""
    try:
        job, attempt = signing.Signer(salt=_SALT).unsign(token).split(".")
        return int(job), int(attempt)
    except (signing.BadSignature, ValueError):
        return None
