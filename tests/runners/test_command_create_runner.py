"""create_runner: every way into a cluster, and one clear line for every mistake."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from runners.kubernetes import connection as connection_module
from runners.kubernetes.connection import Connection
from runners.models import Cluster, Runner
from tests.kubernetes_api.certificates import Authority

pytestmark = pytest.mark.django_db

SERVER = "https://10.0.0.1:6443"
TOKEN = "a-token-that-nobody-sees"
AUTHORITY = Authority()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a token, an authority and a kubeconfig, in which the command runs."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "ca.crt").write_text(AUTHORITY.pem)
    (tmp_path / "empty").write_text("")
    config = {
        "current-context": "test",
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("test", "prod")],
        "clusters": [
            {"name": "test", "cluster": {"server": SERVER, "certificate-authority": "ca.crt"}},
            {"name": "prod", "cluster": {"server": "https://10.0.0.2:6443"}},
        ],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def create(*arguments: str, name: str = "k8s", runner_type: str = "kubernetes") -> str:
    """Run the command and return what it prints."""
    out = StringIO()
    call_command("create_runner", name, "--type", runner_type, *arguments, stdout=out)
    return out.getvalue()


def kept() -> Connection:
    return Connection.from_json(Cluster.objects.get().connection)


def test_with_a_token_file(here: Path) -> None:
    arguments = ["--server", SERVER, "--namespace", "builds", "--token-file", "token", "--ca-file", "ca.crt"]
    more = ["--namespaces", "tests", "prod", "--service-accounts", "ci", "--capacity", "3", "--kinds", "K8S/Job"]
    printed = create(*arguments, *more)
    assert kept() == Connection(server=SERVER, token=TOKEN, ca=AUTHORITY.pem)
    runner, cluster = Runner.objects.get(), Cluster.objects.get()
    assert (runner.type, runner.capacity, runner.kinds, runner.token_digest) == ("kubernetes", 3, ["K8S/Job"], "")
    assert (cluster.namespace, cluster.namespaces, cluster.service_accounts) == ("builds", ["tests", "prod"], ["ci"])
    assert (SERVER in printed, TOKEN in printed) == (True, False)


@pytest.mark.parametrize(("context", "server"), [([], SERVER), (["--context", "prod"], "https://10.0.0.2:6443")])
def test_with_a_kubeconfig(context: list[str], server: str, here: Path) -> None:
    printed = create("--namespace", "builds", "--kubeconfig", "config", *context)
    assert (kept().server, kept().token) == (server, TOKEN)
    assert TOKEN not in printed


def test_in_a_cluster(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "SERVICE_ACCOUNT_DIR", here)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    create("--namespace", "builds", "--in-cluster")
    assert kept() == Connection(server="https://10.96.0.1:443", in_cluster=True)
    assert TOKEN not in Cluster.objects.get().connection  # it rotates: read at each use


def test_json_comes_last_and_without_a_token(here: Path) -> None:
    printed = create("--server", SERVER, "--namespace", "builds", "--token-file", "token", "--json")
    assert json.loads(printed.splitlines()[-1]) == {"name": "k8s", "type": "kubernetes", "capacity": 16}
    server = json.loads(create("--json", name="box", runner_type="server").splitlines()[-1])
    assert server["token"].startswith("tpr_")


BY_TOKEN = ["--server", SERVER, "--token-file", "token"]
NAMESPACE = ["--namespace", "builds"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Say how the cluster is reached"),
        (NAMESPACE, "Say how the cluster is reached"),
        ([*NAMESPACE, "--server", SERVER], "Say how the cluster is reached"),
        ([*NAMESPACE, "--token-file", "token"], "Say how the cluster is reached"),
        (BY_TOKEN, "--namespace NS"),
        ([*BY_TOKEN, "--namespace", "Builds"], "namespace: Lower-case letters"),
        ([*BY_TOKEN, *NAMESPACE, "--namespaces", "ok", "a_b"], "namespaces: .*Lower-case letters"),
        ([*BY_TOKEN, *NAMESPACE, "--service-accounts", "A"], "service_accounts: .*Lower-case letters"),
        ([*BY_TOKEN, *NAMESPACE, "--kinds", "Shell"], "cannot execute Shell"),
        ([*BY_TOKEN, *NAMESPACE, "--context", "prod"], "--context does not go with --token-file"),
        ([*BY_TOKEN, *NAMESPACE, "--ca-file", "empty"], "not a certificate"),
        ([*BY_TOKEN, *NAMESPACE, "--ca-file", "nowhere"], "nowhere cannot be read: No such file"),
        ([*NAMESPACE, "--server", SERVER, "--token-file", "empty"], "token is empty"),
        ([*NAMESPACE, "--server", SERVER, "--token-file", "nowhere"], "nowhere cannot be read"),
        ([*NAMESPACE, "--server", "http://10.0.0.1", "--token-file", "token"], "must be https"),
        ([*NAMESPACE, "--server", "https://" + "x" * 2048, "--token-file", "token"], "server: .*2048"),
        ([*NAMESPACE, "--kubeconfig", "nowhere"], "nowhere cannot be read"),
        ([*NAMESPACE, "--kubeconfig", "config", "--context", "dev"], "no context named 'dev'; it has: prod, test"),
        ([*NAMESPACE, "--kubeconfig", "config", "--server", SERVER], "--server does not go with --kubeconfig"),
        ([*NAMESPACE, "--kubeconfig", "config", "--ca-file", "ca.crt"], "--ca-file does not go with --kubeconfig"),
        ([*NAMESPACE, "--in-cluster"], "not in a pod"),
        ([*NAMESPACE, *BY_TOKEN, "--in-cluster"], "not allowed with argument"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: list[str], told: str, here: Path) -> None:
    with pytest.raises(CommandError, match=told) as refusal:
        create(*arguments)
    assert "\n" not in str(refusal.value)
    assert TOKEN not in str(refusal.value)
    assert refusal.value.returncode != 0
    assert not Runner.objects.exists()


@pytest.mark.parametrize("arguments", [["--server", SERVER], NAMESPACE, ["--token-file", "token"], ["--in-cluster"]])
def test_no_other_type_has_a_cluster(arguments: list[str], here: Path) -> None:
    with pytest.raises(CommandError, match=f"{arguments[0]} is for runners of the type kubernetes"):
        create(*arguments, runner_type="server")
    assert not Runner.objects.exists()


def test_a_name_that_is_taken(here: Path) -> None:
    arguments: list[Any] = [*BY_TOKEN, *NAMESPACE]
    create(*arguments)
    with pytest.raises(CommandError, match=r"name: .*already exists"):
        create(*arguments)
    assert Cluster.objects.count() == 1
