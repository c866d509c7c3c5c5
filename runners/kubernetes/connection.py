"""How a cluster's API is reached: an address and what proves who we are. No request is made here."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from runners.kubernetes.exceptions import InvalidConnection

SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MAX_FILE_BYTES = 1 << 20

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750: nothing that could end a header


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A way to one API server. TLS is always verified, against `ca` or else the system's authorities.

    Raises InvalidConnection if the address or the credentials cannot be used.
    """

    server: str
    token: str | None = field(default=None, repr=False)
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    in_cluster: bool = False
    """The token and the authority are the pod's own, read from its files at each use: both rotate."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", _checked_server(self.server))
        if self.token is not None:
            object.__setattr__(self, "token", _checked_token(self.token))
        if (self.client_certificate is None) != (self.client_key is None):
            raise InvalidConnection("A client certificate and its key belong together: give both or neither.")
        if self.client_certificate is not None and self.client_key is not None:
            _check_key(self.client_key, certificate=self.client_certificate)
        if self.ca is not None:
            check_certificates(self.ca, name="The certificate authority")
        if not (self.token or self.client_certificate or self.in_cluster):
            raise InvalidConnection("Give a token or a client certificate: the API server must know who asks.")

    def current_token(self) -> str | None:
        """The token to send now; in a cluster, as the kubelet last wrote it."""
        if not self.in_cluster:
            return self.token
        return _checked_token(read_text(SERVICE_ACCOUNT_DIR / "token"))

    def current_ca(self) -> str | None:
        """The authority to trust now; None is the system's."""
        return read_text(SERVICE_ACCOUNT_DIR / "ca.crt") if self.in_cluster else self.ca

    def to_json(self) -> str:
        """All of it, secrets included: to be sealed, never shown."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild what `to_json` wrote."""
        return cls(**json.loads(text))


def _checked_server(server: str) -> str:
    try:
        parts = urlsplit(server.strip())
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidConnection(f"The server's address cannot be read: {error}.") from error
    if parts.scheme not in ("https", "http") or not host:
        raise InvalidConnection("The server's address is a URL such as https://10.0.0.1:6443.")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidConnection("The server's address takes no user name, query or fragment.")
    address = _literal(host)
    if address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified):
        raise InvalidConnection(f"The server's address {host} is refused: it is link-local or no single host's.")
    if parts.scheme == "http" and not (host == "localhost" or (address is not None and address.is_loopback)):
        raise InvalidConnection("The server's address must be https: credentials are not sent in clear.")
    return server.strip().rstrip("/")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a host is when it is no name, in all the spellings that the resolver takes (0xa9fea9fe ...)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def _checked_token(token: str) -> str:
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise InvalidConnection("The token is empty or has characters that no bearer token has.")
    return token


def check_certificates(pem: str, *, name: str) -> None:
    try:
        load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise InvalidConnection(f"{name} is not a certificate in PEM.") from error


def _check_key(key: str, *, certificate: str) -> None:
    check_certificates(certificate, name="The client certificate")
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidConnection("The client key is not an unencrypted private key in PEM.") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    first = load_pem_x509_certificates(certificate.encode())[0]
    if first.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise InvalidConnection("The client key does not belong to the client certificate.")


def read_text(path: Path) -> str:
    """A small text file of credentials. Raises InvalidConnection."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise InvalidConnection(f"{path} is larger than {MAX_FILE_BYTES} bytes.")
        return content.decode()
    except OSError as error:
        raise InvalidConnection(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidConnection(f"{path} is not a text.") from error
