from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.kubernetes import connection as connection_module
from runners.kubernetes.cluster import Cluster
from runners.kubernetes.connection import Connection
from runners.kubernetes.exceptions import Unauthorized, Unreachable
from tests.kubernetes_api import ApiServer, serving
from tests.kubernetes_api.access import ADMIN_TOKEN, EVERYTHING, Account
from tests.kubernetes_api.certificates import Authority

AUTHORITY = Authority()


@pytest.fixture
def secure() -> Iterator[ApiServer]:
    with serving(tls=AUTHORITY.server_context()) as started:
        started.access.certificates["deployer"] = Account("deployer", EVERYTHING)
        yield started


def test_the_server_is_verified_against_the_authority(secure: ApiServer) -> None:
    with Cluster(Connection(server=secure.url, token=ADMIN_TOKEN, ca=AUTHORITY.pem)) as cluster:
        assert cluster.list_jobs("default", "a=b") == []
    for authority in (Authority("another").pem, None):
        with Cluster(Connection(server=secure.url, token="t", ca=authority)) as cluster, pytest.raises(Unreachable):
            cluster.version()
    assert secure.count() == 1  # no token has reached what was not verified


def test_the_servers_name_is_verified_too(secure: ApiServer) -> None:
    connection = Connection(server=secure.url, token="t", ca=AUTHORITY.pem, tls_server_name="other.example")
    with Cluster(connection) as cluster, pytest.raises(Unreachable, match=r"other\.example"):
        cluster.version()


def test_only_the_proxy_for_https_is_used_and_only_where_it_is_meant(
    secure: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection(server=secure.url, token=ADMIN_TOKEN, ca=AUTHORITY.pem)
    for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Cluster(connection) as cluster, serving() as plain, Cluster(plain.connection()) as local:
        assert cluster.version() == local.version()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with Cluster(connection) as cluster, pytest.raises(Unreachable):
        cluster.version()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Cluster(connection) as cluster:
        assert cluster.version()


def test_a_client_certificate_logs_in_and_leaves_no_file(
    secure: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = AUTHORITY.sign("deployer")
    connection = Connection(
        server=secure.url, client_certificate=ours.certificate, client_key=ours.key, ca=AUTHORITY.pem
    )
    with Cluster(connection) as cluster:
        assert list(tmp_path.iterdir()) == []
        assert cluster.list_jobs("default", "a=b") == []


def test_in_a_cluster_each_request_has_the_token_of_its_moment(
    secure: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SERVICE_ACCOUNT_DIR", tmp_path)
    (tmp_path / "ca.crt").write_text(AUTHORITY.pem)
    for token in ("first", "second"):
        secure.add_token(token, rules=EVERYTHING)
    (tmp_path / "token").write_text("first")
    with Cluster(Connection(server=secure.url, in_cluster=True)) as cluster:
        cluster.list_jobs("default", "a=b")
        secure.revoke("first")
        (tmp_path / "token").write_text("second")
        cluster.list_jobs("default", "a=b")
        (tmp_path / "token").unlink()
        with pytest.raises(Unauthorized, match="cannot be read"):
            cluster.list_jobs("default", "a=b")
    with pytest.raises(Unauthorized):
        Cluster(Connection(server=secure.url, in_cluster=True))
