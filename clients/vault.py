"""The secrets of clients: named values that go in and come out for execute requests alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db import transaction
from django.db.models.functions import Now

from clients.exceptions import InvalidSecret, TooManySecrets, UnsealError
from clients.models import SECRET_NAME, SECRET_NAME_LENGTH, SECRET_NAME_RULE, Client, NamedSecret
from clients.sealing import seal, unseal

VALUE_BYTES = 64 * 1024
SECRETS_MAX = 100

_NAME = re.compile(SECRET_NAME)
_UNUSABLE = re.compile("[\0\ud800-\udfff]")


@transaction.atomic
def put(client: Client, *, name: str, value: str) -> bool:
    """Keep the value under the name, in place of one that was there; return whether the name is new.

    Raises InvalidSecret, and TooManySecrets for a new one beyond SECRETS_MAX. Locks the client's row.
    """
    check_name(name)
    check_value(value)
    # Two new ones at once must not pass the limit together.
    Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    held = NamedSecret.objects.filter(client=client)
    if held.filter(name=name).update(sealed_value=seal(value), updated_at=Now()):
        return False
    if held.count() >= SECRETS_MAX:
        raise TooManySecrets
    NamedSecret.objects.create(client=client, name=name, sealed_value=seal(value))
    return True


def delete(client: Client, *, name: str) -> bool:
    """Forget the secret of that name; return whether there was one."""
    return _NAME.fullmatch(name) is not None and bool(NamedSecret.objects.filter(client=client, name=name).delete()[0])


def names_of(client_id: int) -> frozenset[str]:
    """Return the names of the client's secrets. One query."""
    return frozenset(NamedSecret.objects.filter(client=client_id).values_list("name", flat=True))


def reveal(wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], str | None]:
    """Return the values of these secrets, each named by its client's key and its name, in one query.

    One that does not exist is left out; None is one that cannot be read: its key is gone (see UnsealError). Only for
    what a runner is sent.
    """
    keys = set(wanted)
    if not keys:
        return {}
    rows = NamedSecret.objects.filter(
        client__in={client for client, _ in keys}, name__in={name for _, name in keys}
    ).values_list("client_id", "name", "sealed_value")
    return {(client, name): _value(sealed) for client, name, sealed in rows if (client, name) in keys}


def check_name(name: str) -> None:
    """Raise InvalidSecret if no secret may be called so."""
    if len(name) > SECRET_NAME_LENGTH or not _NAME.fullmatch(name):
        raise InvalidSecret(SECRET_NAME_RULE, field="name")


def check_value(value: str) -> None:
    """Raise InvalidSecret if the value cannot be kept; what it says tells nothing of the value."""
    if not value:
        raise InvalidSecret("A secret is not empty; delete it instead.", field="value")
    if _UNUSABLE.search(value):
        raise InvalidSecret(
            "A secret holds neither NUL nor half a surrogate pair; encode it, in base64 say.", field="value"
        )
    if len(value.encode()) > VALUE_BYTES:
        raise InvalidSecret(f"A secret has at most {VALUE_BYTES} bytes.", field="value")


def _value(sealed: str) -> str | None:
    try:
        return unseal(sealed)
    except UnsealError:
        return None
