from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from runners.kubernetes.cluster import Cluster
from runners.kubernetes.connection import Connection
from runners.kubernetes.exceptions import (
    BadRequest,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from tests.kubernetes_api import ApiServer, serving
from tests.kubernetes_api.manifests import job
from tests.kubernetes_api.odd import answering


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as started:
        yield started


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[Cluster]:
    with Cluster(server.connection()) as made:
        yield made


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, BadRequest, "bad_request"),
        (401, Unauthorized, "unauthorized"),
        (403, Forbidden, "forbidden"),
        (404, NotFound, "not_found"),
        (409, Conflict, "conflict"),
        (418, ClusterError, "api_error"),
        (422, Invalid, "invalid"),
        (429, TooManyRequests, "too_many_requests"),
        (500, ServerFault, "server_fault"),
        (503, ServerFault, "server_fault"),
        (302, ServerFault, "server_fault"),
    ],
)
def test_each_refusal_is_typed_and_tried_once(
    server: ApiServer, cluster: Cluster, status: int, kind: type[ClusterError], reason: str
) -> None:
    server.fail(status=status, message="no", retry_after=7)
    with pytest.raises(ClusterError) as refusal:
        cluster.get_job("default", "build")
    assert type(refusal.value) is kind
    assert (refusal.value.reason, refusal.value.status, refusal.value.message) == (reason, status, "no")
    assert refusal.value.retry_after_seconds == 7
    assert len(server.log) == cluster.requests == 1


def test_a_server_that_is_down_is_unreachable(server: ApiServer, cluster: Cluster) -> None:
    cluster.version()
    server.stop()
    with pytest.raises(Unreachable):
        cluster.version()
    server.start()
    assert cluster.version()


def test_an_answer_that_is_lost_is_unreachable_though_it_was_done(server: ApiServer, cluster: Cluster) -> None:
    server.fail(verb="create", drop=True, after=True)
    with pytest.raises(Unreachable):
        cluster.create_job("default", job("build"))
    assert server.get("jobs", "default", "build")
    assert server.count(verb="create") == 1


def test_a_server_that_is_slow_is_given_up(server: ApiServer) -> None:
    server.fail(slow_seconds=60)
    with Cluster(server.connection(), timeout_seconds=0.2) as cluster, pytest.raises(Unreachable):
        cluster.version()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", ServerFault),
        (200, b"[]", ServerFault),
        (200, b"", ServerFault),
        (502, b"\xff\xfe bad gateway", ServerFault),
        (403, b'{"kind": "Status", "details": [], "message": 3}', Forbidden),
    ],
)
def test_an_answer_of_something_else_is_told(status: int, body: bytes, kind: type[ClusterError]) -> None:
    with (
        answering(body, status=status) as url,
        Cluster(Connection(server=url, token="t")) as cluster,
        pytest.raises(kind),
    ):
        cluster.version()


@pytest.mark.parametrize("chunked", [True, False])
def test_an_answer_that_drips_is_given_up_too(chunked: bool) -> None:
    with (
        answering(b" " * 10_000, drip_seconds=0.05, chunked=chunked) as url,
        Cluster(Connection(server=url, token="t"), timeout_seconds=0.3) as cluster,
        pytest.raises(Unreachable),
    ):
        cluster.version()


def test_an_answer_in_chunks_is_read_to_its_end() -> None:
    body = b'{"gitVersion": "v1.36.0"}'
    with answering(body, chunked=True) as url, Cluster(Connection(server=url, token="t")) as cluster:
        assert cluster.version()["gitVersion"] == "v1.36.0"
    with (
        answering(body, chunked=True, ends=False) as url,
        Cluster(Connection(server=url, token="t")) as cluster,
        pytest.raises(Unreachable),
    ):
        cluster.version()


def test_nothing_secret_is_logged_or_shown(
    server: ApiServer, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = server.connection().token
    cluster.list_jobs("default", "a=b")
    server.revoke()
    with pytest.raises(Unauthorized) as refusal:
        cluster.list_jobs("default", "a=b")
    assert token and token not in caplog.text
    assert token not in repr(refusal.getrepr(showlocals=False))
