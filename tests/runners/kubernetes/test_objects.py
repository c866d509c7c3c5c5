"""What is created in a cluster: names that find the first, labels by which it is found, and only fields of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipelines import kinds
from runners.kinds.k8s_names import is_dns_label
from runners.kubernetes.objects import (
    attempt_of,
    deployment_manifest,
    deployment_name,
    field_manager,
    is_of_attempt,
    is_of_client,
    job_manifest,
    object_name,
    selector,
)
from tests.runners.kubernetes.cluster_objects import order
from tests.runners.kubernetes.openapi_types import mistakes

UUID = "0b5a4a6e-3f2c-4f0e-9c55-0d9f3a9d7a11"
FULL = {
    "container_name": "build",
    "image_name": "registry.example:5000/team/build@sha256:" + "0" * 64,
    "command": ["sh", "-c"],
    "args": ["make test"],
    "env": {"CI": "true", "EMPTY": ""},
    "namespace": "builds",
    "resources": {"requests": {"cpu": 0.5, "memory": "64Mi"}, "limits": {"cpu": 1, "example.com/gpu": 1}},
    "service_account": "builder",
    "image_pull_secrets": ["registry"],
    "labels": {"team": "web"},
    "annotations": {"example.com/owner": "web"},
}
FULL_JOB = {
    **FULL,
    "image_pull_policy": "Always",
    "node_selector": {"kubernetes.io/arch": "amd64"},
    "parallelism": 2,
    "completions": 4,
    "ttl_seconds_after_finished": 900,
}
FULL_DEPLOYMENT = {
    **FULL,
    "name": "web",
    "replicas": 3,
    "ports": [80, {"container_port": 53, "name": "dns", "protocol": "UDP"}],
    "strategy": {"type": "RollingUpdate", "max_surge": 1, "max_unavailable": "0%"},
    "progress_deadline_seconds": 120,
    "rollback_on_failure": True,
}


def a_job(**changes: Any) -> dict[str, Any]:
    return job_manifest(order(**changes))


def a_deployment(**changes: Any) -> dict[str, Any]:
    return deployment_manifest(order(**{"kind": "K8S/Deployment", "job_name": "web", **changes}))


@pytest.mark.parametrize("params", [{}, FULL_JOB, dict(kinds.resolve("K8S/Job", "1.0.0").example)])
def test_a_job_is_of_the_published_types(params: dict[str, Any]) -> None:
    assert mistakes(a_job(params=params, timeout=60), "V1Job") == []


@pytest.mark.parametrize(
    "params", [{}, FULL_DEPLOYMENT, {"strategy": "Recreate"}, dict(kinds.resolve("K8S/Deployment", "1.0.0").example)]
)
def test_a_deployment_is_of_the_published_types(params: dict[str, Any]) -> None:
    assert mistakes(a_deployment(params=params), "V1Deployment") == []


@pytest.mark.parametrize("install", ["demo", UUID, "Über", "-", "x" * 63])
def test_names_fit_whatever_the_install_is_called(install: str) -> None:
    made = order(install=install, job=2**63 - 1, attempt=2**31 - 1)

    assert is_dns_label(object_name(made))
    # Kubernetes appends five characters and a dash for the pods, and cuts what is longer.
    assert len(object_name(made)) <= 63 - 6
    assert is_dns_label(field_manager(install))
    assert object_name(made) != object_name(order(install="another", job=2**63 - 1, attempt=2**31 - 1))


def test_an_attempt_has_one_name() -> None:
    assert object_name(order()) == "tp-demo-41-2"
    assert len({object_name(order(job=job, attempt=n)) for job in (1, 11) for n in (1, 11)}) == 4


def test_a_job_is_tried_once_and_disruptions_do_not_count() -> None:
    spec = a_job(timeout=60)["spec"]

    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    ]
    assert 60 < spec["activeDeadlineSeconds"] <= 180
    assert spec["ttlSecondsAfterFinished"] >= 600
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 10


def test_a_job_without_timeout_has_no_deadline() -> None:
    assert "activeDeadlineSeconds" not in a_job()["spec"]


def test_everything_given_arrives_in_a_job() -> None:
    manifest = a_job(params=FULL_JOB)
    spec, pod = manifest["spec"], manifest["spec"]["template"]["spec"]

    assert (spec["parallelism"], spec["completions"], spec["ttlSecondsAfterFinished"]) == (2, 4, 900)
    assert pod["serviceAccountName"] == "builder"
    assert pod["automountServiceAccountToken"] is True
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert pod["containers"] == [
        {
            "name": "build",
            "image": FULL["image_name"],
            "command": ["sh", "-c"],
            "args": ["make test"],
            "env": [{"name": "CI", "value": "true"}, {"name": "EMPTY", "value": ""}],
            "resources": {
                "requests": {"cpu": "0.5", "memory": "64Mi"},
                "limits": {"cpu": "1", "example.com/gpu": "1"},
            },
            "imagePullPolicy": "Always",
        }
    ]


@pytest.mark.parametrize("manifest", [a_job(), a_deployment()])
def test_no_pod_gets_credentials_that_nobody_asked_for(manifest: dict[str, Any]) -> None:
    assert manifest["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("manifest", [a_job(params=FULL_JOB), a_deployment(params=FULL_DEPLOYMENT)])
def test_labels_and_annotations_are_on_the_object_and_its_pods(manifest: dict[str, Any]) -> None:
    for metadata in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
        assert metadata["labels"]["team"] == "web"
        assert metadata["annotations"] == {"example.com/owner": "web"}
        assert metadata["labels"]["taskpipeline.dev/install"] == "demo"
        assert metadata["labels"]["taskpipeline.dev/client"] == "7"


def test_objects_are_found_by_their_labels() -> None:
    for found in (a_job(), a_job()["spec"]["template"], a_deployment()):
        assert attempt_of(found) == (41, 2)
    assert attempt_of(a_deployment()["spec"]["template"]) is None
    assert attempt_of({"metadata": {}}) is None
    key, _, value = selector("demo").partition("=")
    assert a_job()["metadata"]["labels"][key] == value
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{0,63}", each) for each in a_job()["metadata"]["labels"].values())


def test_an_object_is_the_attempts_own_only_by_all_its_labels() -> None:
    assert is_of_attempt(a_job(), order=order())
    assert not is_of_attempt(a_job(attempt=1), order=order())
    assert not is_of_attempt(a_job(install="another"), order=order())
    assert not is_of_attempt({"metadata": {"name": object_name(order())}}, order=order())


def test_a_deployment_is_its_clients() -> None:
    assert is_of_client(a_deployment(job=1, attempt=1), order=order())
    assert not is_of_client(a_deployment(client=8), order=order())
    assert not is_of_client(a_deployment(install="another"), order=order())
    assert not is_of_client({"metadata": {"labels": None}}, order=order())


def test_the_same_deployment_again_changes_nothing_that_rolls() -> None:
    first, again = a_deployment(job=1, attempt=1), a_deployment(job=2, attempt=3)

    assert first["spec"] == again["spec"]
    assert first["metadata"] != again["metadata"]


def test_a_deployment_selects_by_its_own_name_alone() -> None:
    for changes in ({}, {"install": "another", "client": 9}, {"params": {"labels": {"a": "b"}}}):
        spec = a_deployment(**changes)["spec"]
        assert spec["selector"] == {"matchLabels": {"taskpipeline.dev/deployment": "web"}}
        assert spec["template"]["metadata"]["labels"]["taskpipeline.dev/deployment"] == "web"


def test_a_deployment_is_called_as_given_or_like_the_job() -> None:
    assert deployment_name(order(job_name="web")) == "web"
    assert deployment_name(order(job_name="web", params={"name": "shop"})) == "shop"
    assert deployment_name(order(job_name="web", params={"name": None})) == "web"


def test_a_deployment_names_only_what_was_given() -> None:
    manifest = a_deployment()

    assert set(manifest["spec"]) == {"selector", "strategy", "template"}
    assert set(manifest["spec"]["template"]["spec"]["containers"][0]) == {"name", "image"}
    assert "annotations" not in manifest["metadata"]


def test_everything_given_arrives_in_a_deployment() -> None:
    spec = a_deployment(params=FULL_DEPLOYMENT)["spec"]

    assert (spec["replicas"], spec["progressDeadlineSeconds"]) == (3, 120)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "0%"}}
    assert spec["template"]["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP"},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    ]


def test_no_replicas_are_an_answer() -> None:
    assert a_deployment(params={"replicas": 0})["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (None, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
        ("Recreate", {"type": "Recreate"}),
        ({"type": "Recreate"}, {"type": "Recreate"}),
        ({"max_surge": 0}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}),
    ],
)
def test_a_strategy_leaves_nothing_to_defaults_that_nobody_owns(strategy: Any, expected: dict[str, Any]) -> None:
    params = {} if strategy is None else {"strategy": strategy}

    assert a_deployment(params=params)["spec"]["strategy"] == expected
