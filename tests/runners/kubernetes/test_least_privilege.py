"""The Role of deploy/kubernetes-runner.yaml: enough for all that a runner does, and nothing in it that it does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone

from clients.models import Client
from pipelines import cancelling, clock
from pipelines.states import State
from runners import stops
from runners.kubernetes import following
from runners.kubernetes.cluster import Cluster as ClusterApi
from runners.models import Cluster, Installation, Runner
from runners.registration import ClusterOptions, create_runner
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import (
    RUNNER,
    attempt_of,
    ended,
    k8s_deployment,
    k8s_job,
    log_of,
    rounds,
    submitted,
)

pytestmark = pytest.mark.django_db

MANIFESTS = Path(__file__).parents[3] / "deploy" / "kubernetes-runner.yaml"
Right = tuple[str, str, str]


def manifests() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFESTS.read_text())}


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifests()["Role"]["rules"]
    return found


def granted() -> set[Right]:
    return {
        (group, resource, verb)
        for rule in rules()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture
def runner(server: ApiServer, client: Client) -> Runner:
    server.add_token("granted", rules=rules(), namespaces=["default"])
    cluster = ClusterOptions(connection=server.connection(token="granted"), namespace="default")
    made = create_runner(RUNNER, runner_type="kubernetes", cluster=cluster).runner
    following.follow(RUNNER)
    return made


def test_all_that_a_runner_does_takes_these_rights_and_no_others(
    runner: Runner, server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = submitted(client, k8s_job("a"), k8s_job("b", "exit/3", allow_failure=True))
    rounds(server, ended(built))
    assert (built.state, bool(log_of(attempt_of(built, "a")))) == (State.DONE, True)

    # A namesake is read, to see whose it is.
    taken = submitted(client, k8s_job("n", allow_failure=True))
    name = f"tp-{Installation.current()}-{attempt_of(taken, 'n').job_id}-1"
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "hang/x"}]}}}
    namesake = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    with ClusterApi(server.connection()) as somebody:
        created = somebody.create_job("default", namesake)
        rounds(server, ended(taken))
        assert attempt_of(taken, "n").reason == "name_taken"
        somebody.delete_job("default", name, created["metadata"]["uid"])
    rounds(server, lambda: not server.objects("pods", "default"))

    stopped = submitted(client, k8s_job("c", "hang/x"))
    rounds(server, lambda: server.objects("pods", "default"))
    cancelling.cancel_pipeline(stopped.pk, now=clock.now())
    stops.stop_attempts(now=clock.now())
    rounds(server, ended(stopped))
    assert stopped.state == State.CANCELLED

    assert_rolled_out(server, client, "web/1", reason="rolled_out")
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=1))  # a grace is over
    assert_rolled_out(server, client, "bad/x", reason="image_pull", rollback_on_failure=True)

    assert Cluster.objects.get().error == ""
    assert not [each for each in server.log if each.status == 403]
    assert server.access.used == granted()


def test_without_the_right_to_create_an_apply_makes_nothing_and_says_so(
    server: ApiServer, client: Client, runner: Runner
) -> None:
    server.deny("create", "deployments")
    pipeline = submitted(client, k8s_deployment("web", "web/1"))
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "web")
    assert (attempt.outcome, attempt.reason) == ("failed", "forbidden")
    assert 'cannot create resource "deployments"' in attempt.message
    assert Cluster.objects.get().error == ""


def assert_rolled_out(server: ApiServer, client: Client, image: str, *, reason: str, **params: Any) -> None:
    pipeline = submitted(client, k8s_deployment("web", image, params=params))
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "web").reason == reason


def test_the_manifests_belong_together() -> None:
    account, role, binding, secret = (manifests()[kind] for kind in ("ServiceAccount", "Role", "RoleBinding", "Secret"))
    name, namespace = account["metadata"]["name"], account["metadata"]["namespace"]
    assert {each["metadata"]["namespace"] for each in (role, binding, secret)} == {namespace}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": name}
