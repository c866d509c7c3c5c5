"""Servers that are no API server, or a bad one: one answer to everything, on a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def answering(
    body: bytes, *, status: int = 200, chunked: bool = False, ends: bool = True, drip_seconds: float = 0
) -> Iterator[str]:
    """Give the URL of a server that says `body` to every GET.

    It may come in HTTP chunks, without an end, or a byte at a time with a pause after each.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            self.send_response(status)
            self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
            self.end_headers()
            pieces = [body[at : at + 1] for at in range(len(body))] if drip_seconds else [body[:10], body[10:]]
            for piece in pieces if ends else pieces[:1]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked and piece else piece)
                if over.wait(drip_seconds):
                    return
            if chunked and ends:
                self.wfile.write(b"0\r\n\r\n")

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that has given up
                super().handle()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()
