"""From what an operator has (a token, a kubeconfig, a pod's own account) to a Connection.

A kubeconfig is read as data: nothing that it names is run. Its files are read once, what they held is kept.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runners.kubernetes.connection import Connection, check_certificates, read_text
from runners.kubernetes.exceptions import InvalidConnection

__all__ = ["Connection", "from_kubeconfig", "from_kubeconfig_text", "from_token_file", "in_cluster"]

Entry = Mapping[str, Any]

_REFUSED_USER = {
    "exec": "it runs a program to log in; make a token instead (docs/kubernetes.md says how)",
    "auth-provider": "authentication plug-ins are not supported; use a token or a client certificate",
    "username": "Kubernetes has no basic authentication any more; use a token or a client certificate",
    "as": "impersonation is not supported; use credentials of the service account itself",
}
_REFUSED_CLUSTER = {
    "insecure-skip-tls-verify": "TLS is always verified; name the authority in certificate-authority-data",
    "proxy-url": "set HTTPS_PROXY and NO_PROXY for this process instead",
}


def from_token_file(server: str, *, path: Path, ca_path: Path | None = None) -> Connection:
    """A connection with the bearer token in a file."""
    return Connection(server=server, token=read_text(path), ca=None if ca_path is None else read_text(ca_path))


def in_cluster() -> Connection:
    """The connection that every pod has; only its address is kept, the rest is read when needed."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise InvalidConnection(
            "This process is not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set. "
            "Give a token file or a kubeconfig instead."
        )
    connection = Connection(server=f"https://{f'[{host}]' if ':' in host else host}:{port}", in_cluster=True)
    connection.current_token()
    check_certificates(connection.current_ca() or "", name="The certificate authority of the service account")
    return connection


def from_kubeconfig(path: Path, *, context: str | None = None) -> Connection:
    """The connection of a context, by default the current one.

    Raises InvalidConnection; so for a user that logs in by a program, and where TLS is not verified.
    """
    return _connection(_Origin(str(path), directory=path.parent), text=read_text(path), context=context)


def from_kubeconfig_text(text: str, *, context: str | None = None) -> Connection:
    """Likewise, of a kubeconfig that came without its files: one that names files is refused, none is read."""
    return _connection(_Origin("The kubeconfig"), text=text, context=context)


@dataclass(frozen=True)
class _Origin:
    """Where a kubeconfig came from: what it is called in messages, and where the files it names lie."""

    name: str
    directory: Path | None = None

    def __str__(self) -> str:
        return self.name


def _connection(origin: _Origin, *, text: str, context: str | None) -> Connection:
    config = _loaded(text, origin=origin)
    name = context or config.get("current-context")
    if not isinstance(name, str) or not name:
        raise InvalidConnection(f"{origin} has no current context; name one of its contexts.")
    chosen = _named(config, "context", name, origin=origin)
    cluster = _named(config, "cluster", chosen.get("cluster"), origin=origin)
    user = _named(config, "user", chosen.get("user"), origin=origin)
    _refuse(cluster, _REFUSED_CLUSTER, origin=origin)
    _refuse(user, _REFUSED_USER, origin=origin)
    return Connection(
        server=_text(cluster, "server", origin=origin) or "",
        ca=_content(cluster, "certificate-authority", origin=origin),
        tls_server_name=_text(cluster, "tls-server-name", origin=origin),
        # The order of client-go: a file wins over the token beside it.
        token=_file(user, "tokenFile", origin=origin) or _text(user, "token", origin=origin),
        client_certificate=_content(user, "client-certificate", origin=origin),
        client_key=_content(user, "client-key", origin=origin),
    )


def _loaded(text: str, *, origin: _Origin) -> Entry:
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The parser's message quotes the line, which may be the token's; ValueError: a date or number that is none.
        raise InvalidConnection(f"{origin} is not YAML.") from error
    if not isinstance(config, dict):
        raise InvalidConnection(f"{origin} is not a kubeconfig.")
    return config


def _named(config: Entry, kind: str, name: object, *, origin: _Origin) -> Entry:
    """The cluster, user or context of that name."""
    listed = config.get(f"{kind}s")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    for entry in entries:
        value = entry.get(kind)
        if entry.get("name") == name and isinstance(value, dict):
            return value
    known = ", ".join(sorted(str(entry.get("name")) for entry in entries)) or "none"
    raise InvalidConnection(f"{origin} has no {kind} named {name!r}; it has: {known}.")


def _refuse(entry: Entry, refused: Mapping[str, str], *, origin: _Origin) -> None:
    for name, why in refused.items():
        if entry.get(name):
            raise InvalidConnection(f"{origin}: `{name}` is refused: {why}.")


def _content(entry: Entry, name: str, *, origin: _Origin) -> str | None:
    """What `NAME-data` holds or the file `NAME` names; as in client-go, the data win."""
    data = entry.get(f"{name}-data")
    if not data:
        return _file(entry, name, origin=origin)
    try:
        return base64.b64decode(str(data), validate=True).decode()
    except ValueError as error:  # of the base64, or of the text in it
        raise InvalidConnection(f"{origin}: `{name}-data` is not base64 of a text.") from error


def _file(entry: Entry, name: str, *, origin: _Origin) -> str | None:
    named = _text(entry, name, origin=origin)
    if named is None:
        return None
    if origin.directory is None:
        inline = "token" if name == "tokenFile" else f"{name}-data"
        raise InvalidConnection(f"{origin} names a file in `{name}`, which is not read here: put it into `{inline}`.")
    return read_text(origin.directory / named)  # relative ones are so to the kubeconfig


def _text(entry: Entry, name: str, *, origin: _Origin) -> str | None:
    value = entry.get(name)
    if not value:
        return None
    if not isinstance(value, str):
        raise InvalidConnection(f"{origin}: `{name}` is not a text; put it in quotes.")
    return value
