"""Server, token and authority as an operator enters them in a form or a request, each mistake with its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners.kubernetes.connection import Connection
from runners.kubernetes.exceptions import CredentialsUnreadable, InvalidConnection
from runners.kubernetes.keeping import kept_connection
from runners.models import Cluster

# What stands in for the fields that are not looked at.
_SOUND = {"server": "https://localhost", "token": "t"}
_TOKEN_TOO = "Give the token as well: the one that is kept is never sent to another server, or trusted to another ca."  # noqa: S105
_CA_TOO = "Give the ca as well: the one that is kept cannot be read any more, for SECRET_KEY is another now."


class InvalidFields(InvalidConnection):
    """What was entered is no connection; `by_field` says what is wrong with which field."""

    def __init__(self, by_field: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {message}" for name, message in by_field.items()))
        self.by_field = dict(by_field)


def entered(fields: Mapping[str, str | None], *, kept: Cluster | None = None) -> Connection | None:
    """Return the connection that `server`, `token` and `ca` make; None if they ask for no other than the kept one.

    With a kept one the token alone is enough. A server or a ca never goes without a token: whoever may change the
    address must not have what is kept sent there. The kept ca stays as long as the server does; a ca of None or of
    nothing is the system's authorities. Raises InvalidFields.
    """
    given: dict[str, Any] = {name: fields[name] for name in ("server", "token", "ca") if name in fields}
    if kept is not None and (given.get("server") or "").strip().rstrip("/") == kept.server:
        del given["server"]
    if kept is not None and not given:
        return None
    mistakes = _mistakes(given)
    if "token" not in given:
        mistakes["token"] = _TOKEN_TOO
    if mistakes:
        raise InvalidFields(mistakes)
    if kept is None or "server" in given:
        return Connection(**_with_ca(given))
    before = {} if "ca" in given else _kept_trust(kept)
    return Connection(**{"server": kept.server, **before, **_with_ca(given)})


def _mistakes(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in _with_ca(given).items():
        try:
            Connection(**{**_SOUND, name: value})
        except InvalidConnection as error:
            found[name] = str(error)
    return found


def _with_ca(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, "ca": given["ca"] or None} if "ca" in given else dict(given)


def _kept_trust(kept: Cluster) -> dict[str, Any]:
    try:
        before = kept_connection(kept)
    except CredentialsUnreadable as error:
        raise InvalidFields({"ca": _CA_TOO}) from error
    return {"ca": before.ca, "tls_server_name": before.tls_server_name}
