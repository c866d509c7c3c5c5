"""A service to report to: the reports API over real HTTP, as contract section 7 has it, and able to misbehave."""

from __future__ import annotations

import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

TOKEN = "a-runner-token-for-tests"
WAIT_SECONDS = 20.0

Item = dict[str, Any]
Answer = dict[str, Any]


@dataclass
class Record:
    """What was reported of one attempt."""

    events: list[str] = field(default_factory=list)
    log: bytearray = field(default_factory=bytearray)
    items: list[Item] = field(default_factory=list)
    final: Item | None = None

    @property
    def text(self) -> str:
        return self.log.decode()


class Service(ThreadingHTTPServer):
    """Keeps what is reported; tests set `answer_item` and `answer_batch` to have other answers given."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.lease_seconds = 60.0
        self.cancelled: set[tuple[int, int]] = set()
        self.answer_item: Callable[[Item], Answer | None] = lambda item: None
        self.answer_batch: Callable[[list[Item]], int | None] = lambda items: None
        self.batches: list[int] = []
        self.bodies: list[int] = []
        self.refused = 0
        self._records: dict[tuple[int, int], Record] = defaultdict(Record)
        self._changed = threading.Condition()
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        """Be away altogether: kept connections end as well."""
        super().server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def record(self, job: int, *, attempt: int = 1) -> Record:
        return self._records[job, attempt]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a report has made the condition true; fail the test if none does."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), dict(self._records)

    def final(self, job: int, *, attempt: int = 1) -> Item:
        """Wait for the last report of an attempt and return it."""
        record = self.record(job, attempt=attempt)
        self.wait_for(lambda: record.final is not None)
        return cast(Item, record.final)

    def take(self, items: list[Item], *, size: int) -> tuple[int, list[Answer]]:
        with self._changed:
            self.bodies.append(size)
            status = self.answer_batch(items)
            if status is not None:
                self.refused += 1
                self._changed.notify_all()
                return status, []
            self.batches.append(len(items))
            answers = [self._answer(item) for item in items]
            self._changed.notify_all()
            return 200, answers

    def _answer(self, item: Item) -> Answer:
        key = (item["job"], item["attempt"])
        answer: Answer = {"job": key[0], "attempt": key[1], "event": item["event"], "status": 200}
        answer |= {"cancel": key in self.cancelled, "lease_seconds": self.lease_seconds}
        special = self.answer_item(item)
        if special is not None:
            return answer | special
        record = self._records[key]
        if item["event"] == "log":
            text = item["text"].encode()
            held = len(record.log)
            if item["offset"] > held:
                return answer | {"status": 416, "size": held}
            record.log += text[held - item["offset"] :]
        if item["event"] in ("finished", "returned"):
            if record.final is not None and record.final != item:
                return answer | {"status": 409}
            record.final = item
        record.events.append(item["event"])
        record.items.append(item)
        return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/v1/reports/":
            self._reply(404, {})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._reply(401, {})
        else:
            items = json.loads(body)["reports"]
            status, results = self.server.take(items, size=len(body))
            self._reply(status, {"results": results})

    def _reply(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(ConnectionError):  # a runner that is killed
            super().handle()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(port: int = 0) -> Iterator[Service]:
    with Service(port) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
