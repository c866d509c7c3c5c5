"""Between a runner and the API: passes its reports on, remembers them, loses answers when told to."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

_REMEMBERED = 400
_REPLAYED = 100
_TIMEOUT_SECONDS = 15.0


class Relay:
    """An HTTP server on loopback; up while it is entered."""

    def __init__(self, url: str) -> None:
        self.bodies: deque[bytes] = deque(maxlen=_REMEMBERED)
        self.losing = False
        self._target = url
        self._token = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="relay", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def replay(self, chance: random.Random) -> list[int]:
        """Send some of what was reported once more, in another order; return the statuses of the items."""
        bodies = list(self.bodies)
        bodies = chance.sample(bodies, k=min(len(bodies), _REPLAYED))
        statuses: list[int] = []
        for body in bodies:
            response = self._forward("/api/v1/reports/", body)
            if response is not None and response.status_code == 200:
                statuses += [item["status"] for item in response.json()["results"]]
        return statuses

    def _forward(self, path: str, body: bytes) -> httpx.Response | None:
        headers = {"Authorization": self._token, "Content-Type": "application/json"}
        try:
            return httpx.post(
                f"{self._target}{path}", content=body, headers=headers, trust_env=False, timeout=_TIMEOUT_SECONDS
            )
        except httpx.TransportError:
            return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                relay._token = self.headers["Authorization"]
                relay.bodies.append(body)
                response = relay._forward(self.path, body)
                with contextlib.suppress(ConnectionError):  # the runner may be dead by now
                    self._answer(response)

            def _answer(self, response: httpx.Response | None) -> None:
                if relay.losing or response is None:  # the report has arrived, its answer does not
                    self.send_error(502)
                    return
                self.send_response(response.status_code)
                for name in ("Content-Type", "Retry-After"):
                    if name in response.headers:
                        self.send_header(name, response.headers[name])
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                self.wfile.write(response.content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
