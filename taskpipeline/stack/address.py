from __future__ import annotations

import socket
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from taskpipeline.stack.exceptions import StackError

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web process listens."""

    host: str
    port: int

    @property
    def bind(self) -> str:
        """As gunicorn takes it."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """As somebody on this machine reaches it."""
        return f"http://{_bracketed(_EVERYWHERE.get(self.host, self.host))}:{self.port}"

    def require_free(self) -> None:
        """Raise StackError if nobody can listen here."""
        try:
            self._bind(self.port)
        except OSError as error:
            raise StackError(
                f"Cannot listen on {self.host}, port {self.port}: {error.strerror or error}. "
                "Choose another with PORT (and HOST)."
            ) from error

    def answers(self) -> bool:
        """Tell whether the service answers here."""
        connection = HTTPConnection(_EVERYWHERE.get(self.host, self.host), self.port, timeout=5)
        try:
            connection.request("GET", "/healthz/")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def on_a_free_port(self) -> Address:
        """Return this address, or the same host with a free port if this one is taken."""
        try:
            self._bind(self.port)
        except OSError:
            return Address(self.host, self._bind(0))
        return self

    def _bind(self, port: int) -> int:
        family, kind, protocol, _, place = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen()
            return int(listener.getsockname()[1])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
