"""HTTP: a socket on one side, requests and answers on the other."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from tests.kubernetes_api.faults import Dropped, Page
from tests.kubernetes_api.requests import Request, parsed
from tests.kubernetes_api.resources import Object
from tests.kubernetes_api.status import ApiError, bad_request

Handle = Callable[[Request], tuple[int, Object | bytes, bool]]
"""Status, body, and whether the body is to be cut. Raises ApiError or Dropped."""


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handle: Handle, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(address, _Handler)
        self.handle_request_of_api = handle
        if tls is not None:  # hands are shaken in the connection's own thread, at its first read
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def stop(self) -> None:
        """Be gone: kept connections end as well."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            request = parsed(self.command, self.path, headers={k.lower(): v for k, v in self.headers.items()})
            request.peer = _common_name(self.connection)
            request.body = _decoded(raw, request.media_type)
            status, answer, cut = self.server.handle_request_of_api(request)
            self._reply(status, answer, cut=cut)
        except ApiError as error:
            self._reply(error.code, error.body(), retry_after=error.retry_after)
        except Page as page:
            self._reply(page.status, b"<html>no such route</html>")
        except Dropped:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  (names of http.server)

    def _reply(self, status: int, answer: Object | bytes, *, cut: bool = False, retry_after: int | None = None) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, bytes) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        if cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(OSError):  # a client that has given up, or that does not trust us
            super().handle()

    def log_message(self, *args: object) -> None:
        pass


def _common_name(connection: object) -> str:
    """Whom the client's certificate names, if it has shown one."""
    subject: Any = (connection.getpeercert() or {}).get("subject", ()) if isinstance(connection, ssl.SSLSocket) else ()
    return next((str(value) for part in subject for name, value in part if name == "commonName"), "")


def _decoded(raw: bytes, media_type: str) -> Any:
    if not raw:
        return None
    try:
        return yaml.safe_load(raw) if media_type.endswith("+yaml") else json.loads(raw)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error
