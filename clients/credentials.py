from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from clients.models import Client

REALM = "Task Pipeline"


@dataclass(frozen=True, kw_only=True)
class Presented:
    """An id and a secret as somebody sent them."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A client that proved to be itself, and which of its secrets did."""

    client: Client
    issued_with: str


def parse_basic(header: str) -> Presented | None:
    """Read an Authorization header of scheme Basic; None if it is another scheme or cannot be read.

    Id and secret are form-decoded, as OAuth has clients encode them (RFC 6749, 2.3.1). Those the service makes
    hold nothing that changes by it, so a client that sends them as they are is understood all the same.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        return None
    return Presented(client_id=unquote_plus(client_id), secret=unquote_plus(secret))


def verify(presented: Presented) -> Verified | None:
    """Tell who presented these; None unless the client is active and the secret one of its two. One query."""
    if "\0" in presented.client_id:  # PostgreSQL's text has no NUL
        return None
    client = Client.objects.filter(client_id=presented.client_id, is_active=True).first()
    if client is None:
        return None
    issued_with = client.matching_secret(presented.secret)
    return None if issued_with is None else Verified(client=client, issued_with=issued_with)
