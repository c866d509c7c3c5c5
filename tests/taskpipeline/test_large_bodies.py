"""Bodies over real sockets, before the server of production: what a test client cannot show."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from clients.registration import Credentials, create_client
from pipelines.models import Pipeline
from runners.registration import create_runner
from tests.api import document
from tests.clients.conftest import basic, bearer
from tests.concurrency import PATIENCE_SECONDS
from tests.web import Address, gunicorn

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 1 << 20
DOCUMENT = json.dumps(document()).encode()


@pytest.fixture
def owner() -> Credentials:
    return create_client("owner")


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Address]:
    with gunicorn(tmp_path, MAX_DOCUMENT_BYTES=str(LIMIT)) as address:
        yield address


def ask(address: Address, *, path: str, body: bytes, headers: dict[str, str], chunked: bool = False) -> bytes:
    """Send the whole request, then read: who never looks at the answer before the end is who loses it."""
    sent = {"Host": "127.0.0.1", "Connection": "close", "Content-Type": "application/json", **headers}
    sent |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent.items()) + "\r\n"
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connected:
        connected.sendall(head.encode())
        if chunked:
            for start in range(0, len(body), LIMIT):
                piece = body[start : start + LIMIT]
                connected.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            connected.sendall(b"0\r\n\r\n")
        else:
            connected.sendall(body)
        answer = bytearray()
        while piece := connected.recv(1 << 16):
            answer += piece
    return bytes(answer)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_the_answer_to_a_body_that_is_too_large_arrives(server: Address, owner: Credentials) -> None:
    identity = basic(owner.client_id, owner.client_secret)
    body = b" " * (8 * LIMIT)
    for chunked in (False, True):
        answer = ask(server, path="/api/v1/pipelines/", body=body, headers=identity, chunked=chunked)
        assert status(answer) == 413
        assert b"application/problem+json" in answer
        assert str(LIMIT).encode() in answer
    worker = bearer(create_runner("local").token)
    assert status(ask(server, path="/api/v1/reports/", body=body, headers=worker)) == 413


def test_a_body_in_chunks_is_read_like_any_other(server: Address, owner: Credentials) -> None:
    identity = basic(owner.client_id, owner.client_secret)
    answer = ask(server, path="/api/v1/pipelines/", body=DOCUMENT, headers=identity, chunked=True)
    assert status(answer) == 201
    assert Pipeline.objects.get().client == owner.client
    assert status(ask(server, path="/api/v1/pipelines/", body=b"", headers=identity, chunked=True)) == 400
    worker = bearer(create_runner("local").token)
    reports = b'{"reports": []}'
    assert status(ask(server, path="/api/v1/reports/", body=reports, headers=worker, chunked=True)) == 200
    strange = identity | {"Content-Type": "application/json; charset*=bogus''x"}
    assert status(ask(server, path="/api/v1/pipelines/", body=DOCUMENT, headers=strange)) == 415


def test_django_s_own_server_answers_too_and_asks_for_a_length(
    live_server: LiveServer, owner: Credentials, settings: Settings
) -> None:
    settings.MAX_DOCUMENT_BYTES = LIMIT
    url = urlsplit(live_server.url)
    address = (str(url.hostname), int(url.port or 0))
    identity = basic(owner.client_id, owner.client_secret)
    assert status(ask(address, path="/api/v1/pipelines/", body=b" " * (8 * LIMIT), headers=identity)) == 413
    # It does not decode chunks.
    assert status(ask(address, path="/api/v1/pipelines/", body=DOCUMENT, headers=identity, chunked=True)) == 411
    assert not Pipeline.objects.exists()
