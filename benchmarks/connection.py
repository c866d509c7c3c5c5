"""HTTP for a clock: prepared requests over a connection that stays open, next to no cost on our side."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

T = TypeVar("T")

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

    def ask(connection: Connection, _: int) -> list[int]:
        count, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            connection.ask(request)
            count += 1
        return [count]

    counts = _side_by_side(address, [request] * connections, ask)
    return Load(answered=sum(counts) + connections, per_second=sum(counts) / seconds)


def poll(address: Address, requests: Sequence[bytes], *, every_seconds: float, seconds: float) -> list[float]:
    """Send each request again and again at its own pace for so long; return the seconds that each answer took.

    From when the request was due, whether or not the one before was answered by then: who waits does not ask less.
    """

    def ask(connection: Connection, number: int) -> list[float]:
        took = []
        began = time.perf_counter()
        due = began + every_seconds * number / len(requests)
        while due < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.ask(requests[number])
            took.append(time.perf_counter() - due)
            due += every_seconds
        return took

    return _side_by_side(address, requests, ask)


def _side_by_side(
    address: Address, requests: Sequence[bytes], ask: Callable[[Connection, int], Iterable[T]]
) -> list[T]:
    """Call `ask` in a thread for each request, all at once, over connections on which it was answered; gather."""
    found: list[T] = []
    errors: list[BaseException] = []
    begin = threading.Barrier(len(requests))

    def run(number: int) -> None:
        try:
            with Connection(address) as connection:
                connection.ask(requests[number])
                begin.wait()
                found.extend(ask(connection, number))
        except BaseException as error:
            errors.append(error)
            begin.abort()

    threads = [threading.Thread(target=run, args=[number]) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if real := [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]:
        raise real[0]
    return found
