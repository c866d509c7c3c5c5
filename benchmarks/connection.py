"""HTTP for a clock: prepared requests over a connection that stays open, next to no cost on our side."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PIECE = 1 << 16


class UnexpectedAnswer(Exception):
    """A request was not answered as it should be."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def request(self, method: str, path: str, *, body: bytes = b"", token: str = "") -> bytes:
        """Return the bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept: application/json"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
        return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One kept-open connection; a server that closed it while it lay idle is called again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def ask(self, request: bytes) -> bytes:
        """Send a prepared request and return the answer's body; raise UnexpectedAnswer unless it is a 2xx."""
        fresh = self._socket is None
        try:
            head, body = self._exchange(request)
        except ConnectionError:
            self.close()
            if fresh:
                raise
            head, body = self._exchange(request)
        if b"\r\nConnection: close" in head:
            self.close()
        status = head.split(b" ", 2)[1]
        if not status.startswith(b"2"):
            raise UnexpectedAnswer(f"{request[:80]!r} was answered with {status!r}: {body[:500]!r}")
        return body

    def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection((self._address.host, self._address.port), timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        if not (length := LENGTH.search(head)):
            raise UnexpectedAnswer(f"an answer without a length: {head!r}")
        pieces = [body]
        left = int(length[1]) - len(body)
        while left > 0:
            pieces.append(self._receive())
            left -= len(pieces[-1])
        return head, b"".join(pieces)

    def _receive(self) -> bytes:
        assert self._socket
        piece = self._socket.recv(PIECE)
        if not piece:
            raise ConnectionResetError("the server closed the connection")
        return piece


def ask_json(connection: Connection, request: bytes) -> Any:
    return json.loads(connection.ask(request))


@dataclass(frozen=True, slots=True)
class Load:
    """How many requests were answered, those that opened the connections included, and how many a second."""

    answered: int
    per_second: float


def load(address: Address, request: bytes, *, connections: int, seconds: float) -> Load:
    """Ask the same again and again over so many connections for so long."""
    counts: list[int] = []
    errors: list[BaseException] = []
    begin = threading.Barrier(connections)

    def ask() -> None:
        try:
            with Connection(address) as connection:
                connection.ask(request)
                begin.wait()
                count, until = 0, time.perf_counter() + seconds
                while time.perf_counter() < until:
                    connection.ask(request)
                    count += 1
                counts.append(count)
        except BaseException as error:
            errors.append(error)
            begin.abort()

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if real := [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]:
        raise real[0]
    return Load(answered=sum(counts) + connections, per_second=sum(counts) / seconds)
