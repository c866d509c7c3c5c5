from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners.kubernetes import connection as connection_module
from runners.kubernetes.credentials import Connection, from_kubeconfig, from_token_file, in_cluster
from runners.kubernetes.exceptions import InvalidConnection
from tests.kubernetes_api.certificates import Authority

AUTHORITY = Authority()
OURS = AUTHORITY.sign("deployer")
SERVER = "https://10.0.0.1:6443"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(directory: Path, *, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> Path:
    path = directory / "config"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u", "namespace": "builds"}}],
        "clusters": [{"name": "c", "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc.def-1\n")
    (tmp_path / "ca.crt").write_text(AUTHORITY.pem)
    made = from_token_file(f"{SERVER}/", path=tmp_path / "token", ca_path=tmp_path / "ca.crt")
    assert made == Connection(server=SERVER, token="abc.def-1", ca=AUTHORITY.pem)


def test_json_brings_back_the_same_connection() -> None:
    made = Connection(
        server=SERVER,
        client_certificate=OURS.certificate,
        client_key=OURS.key,
        ca=AUTHORITY.pem,
        tls_server_name="kubernetes",
    )
    assert Connection.from_json(made.to_json()) == made


def test_no_secret_is_in_its_repr() -> None:
    made = Connection(
        server=SERVER, token="very-secret", client_certificate=OURS.certificate, client_key=OURS.key, ca=AUTHORITY.pem
    )
    assert "very-secret" not in repr(made)
    assert "PRIVATE" not in repr(made)
    assert SERVER in repr(made)


@pytest.mark.parametrize("token", ["", " ", "two words", "a\r\nHost: b", "kläger", "a\0b"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(InvalidConnection, match="token") as refusal:
        Connection(server=SERVER, token=token)
    assert not token.strip() or token not in str(refusal.value)


@pytest.mark.parametrize(
    "server",
    [
        "https://169.254.169.254",
        "https://169.254.169.254:443/latest",
        "https://2852039166",
        "https://0xa9fea9fe",
        "https://0251.0376.0251.0376",
        "https://[fe80::1]:6443",
        "https://[fe80::1%25eth0]:6443",
        "https://[::ffff:169.254.169.254]",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "http://10.0.0.1:8001",
        "http://kubernetes.example",
        "ftp://10.0.0.1",
        "10.0.0.1:6443",
        "https://",
        "https://user:secret@10.0.0.1",
        "https://10.0.0.1?x=1",
        "https://10.0.0.1:port",
        "",
    ],
)
def test_an_address_that_must_not_be_asked_is_refused(server: str) -> None:
    with pytest.raises(InvalidConnection):
        Connection(server=server, token="t")


@pytest.mark.parametrize(
    "server",
    [
        "https://10.0.0.1:6443",
        "https://[fd00::1]:6443",
        "https://127.0.0.1:6443",
        "https://kubernetes.default.svc",
        "https://rancher.example/k8s/clusters/c-1",
        "http://localhost:8001",
        "http://127.0.0.1:8001",
        "http://[::1]:8001",
    ],
)
def test_a_private_address_is_allowed(server: str) -> None:
    assert Connection(server=server, token="t").server == server


def test_a_kubeconfig_gives_certificates_as_data(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path,
        user={"client-certificate-data": encoded(OURS.certificate), "client-key-data": encoded(OURS.key)},
        cluster={"certificate-authority-data": encoded(AUTHORITY.pem), "tls-server-name": "kubernetes"},
    )
    assert from_kubeconfig(path) == Connection(
        server=SERVER,
        client_certificate=OURS.certificate,
        client_key=OURS.key,
        ca=AUTHORITY.pem,
        tls_server_name="kubernetes",
    )


def test_files_of_a_kubeconfig_are_found_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file")
    (tmp_path / "ca.crt").write_text(AUTHORITY.pem)
    path = kubeconfig(
        tmp_path, user={"tokenFile": "token", "token": "older"}, cluster={"certificate-authority": "ca.crt"}
    )
    made = from_kubeconfig(path, context="prod")
    assert (made.token, made.ca) == ("from-a-file", AUTHORITY.pem)


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        ({"exec": {"command": "aws"}}, {}, "runs a program"),
        ({"auth-provider": {"name": "gcp"}}, {}, "plug-ins are not supported"),
        ({"username": "a", "password": "b"}, {}, "basic authentication"),
        ({"token": "t", "as": "admin"}, {}, "impersonation"),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}, "always verified"),
        ({"token": "t"}, {"proxy-url": "http://proxy"}, "HTTPS_PROXY"),
        ({"token": "t"}, {"certificate-authority-data": "%%%"}, "not base64"),
        ({"token": "t"}, {"certificate-authority-data": encoded("no certificate")}, "not a certificate"),
        ({"token": "t"}, {"certificate-authority": "missing.crt"}, "cannot be read"),
        ({"token": "t"}, {"server": "https://169.254.169.254"}, "link-local"),
        ({}, {}, "token or a client certificate"),
        ({"client-certificate-data": encoded(OURS.certificate)}, {}, "belong together"),
        (
            {
                "client-certificate-data": encoded(OURS.certificate),
                "client-key-data": encoded(AUTHORITY.sign("other").key),
            },
            {},
            "does not belong",
        ),
    ],
)
def test_a_kubeconfig_says_why_it_is_refused(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidConnection, match=said):
        from_kubeconfig(kubeconfig(tmp_path, user=user, cluster=cluster))


def test_a_context_that_is_missing_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidConnection, match="no context named 'test'; it has: prod"):
        from_kubeconfig(kubeconfig(tmp_path, user={"token": "t"}), context="test")


@pytest.mark.parametrize(
    "text", ["token: [a-secret", "- a-secret", "a: !!python/name:os.system", "a: " + "[" * 5000, ""]
)
def test_what_is_no_kubeconfig_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InvalidConnection) as refusal:
        from_kubeconfig(path)
    assert "a-secret" not in str(refusal.value)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that a pod is given."""
    (tmp_path / "token").write_text("first")
    (tmp_path / "ca.crt").write_text(AUTHORITY.pem)
    monkeypatch.setattr(connection_module, "SERVICE_ACCOUNT_DIR", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


def test_in_a_cluster_the_token_is_read_again_since_it_rotates(account: Path) -> None:
    made = in_cluster()
    assert (made.server, made.current_token(), made.current_ca()) == ("https://10.96.0.1:443", "first", AUTHORITY.pem)
    (account / "token").write_text("second")
    assert made.current_token() == "second"


def test_nothing_of_the_pods_account_is_kept(account: Path) -> None:
    made = in_cluster()
    assert "first" not in made.to_json()
    assert Connection.from_json(made.to_json()) == made


def test_outside_of_a_cluster_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidConnection, match="not in a pod"):
        in_cluster()


def test_a_pod_without_its_account_says_which_file_is_missing(account: Path) -> None:
    (account / "token").unlink()
    with pytest.raises(InvalidConnection, match="token cannot be read"):
        in_cluster()
