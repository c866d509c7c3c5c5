"""Objects as a real cluster shows them, with what matters to a test put in; each is held against the API's types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from runners.kubernetes.objects import Order, deployment_manifest, job_manifest
from tests.runners.kubernetes.openapi_types import mistakes

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
JOB_UID = "5d9f6a30-0001-4000-8000-000000000001"
DEPLOYMENT_UID = "5d9f6a30-0002-4000-8000-000000000002"
MAIN = "build"


def ago(seconds: float) -> str:
    """The API's timestamp of so many seconds before NOW."""
    return f"{NOW - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def order(**changes: Any) -> Order:
    params = {"container_name": MAIN, "image_name": "busybox:1.37", **changes.pop("params", {})}
    given = {
        "install": "demo",
        "job": 41,
        "attempt": 2,
        "job_name": "build",
        "client": 7,
        "kind": "K8S/Job",
        "version": "1.0.0",
        "params": params,
        "timeout": None,
        "namespace": "builds",
    }
    return Order(**{**given, **changes})


def condition(
    kind: str, *, status: str = "True", reason: str = "", message: str = "", since: float = 1
) -> dict[str, Any]:
    said = {"reason": reason, "message": message}
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": ago(since),
        **{name: text for name, text in said.items() if text},
    }


def a_job(*conditions: dict[str, Any], status: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    made = job_manifest(order(**changes))
    made["metadata"] |= {"uid": JOB_UID, "resourceVersion": "812", "generation": 1, "creationTimestamp": ago(120)}
    made["spec"] = {"parallelism": 1, "completions": 1, **made["spec"]}
    made["status"] = {"startTime": ago(119), "conditions": list(conditions), **(status or {})}
    assert mistakes(made, "V1Job") == []
    return made


def container(name: str = MAIN, *, last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    """A container status, for example `container(waiting={"reason": "ErrImagePull"})`."""
    return {
        "name": name,
        "image": "docker.io/library/busybox:1.37",
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 1 if last else 0,
        "state": state,
        **({"lastState": last} if last else {}),
    }


def ended(code: int, *, reason: str = "", **more: Any) -> dict[str, Any]:
    """The end of a container, as `container(terminated=ended(3))` takes it."""
    reason = reason or ("Error" if code else "Completed")
    return {"exitCode": code, "reason": reason, "startedAt": ago(60), "finishedAt": ago(10), **more}


def a_pod(
    *containers: dict[str, Any],
    phase: str = "Pending",
    name: str = "tp-demo-41-2-x7k2p",
    init: Sequence[dict[str, Any]] = (),
    conditions: Sequence[dict[str, Any]] = (),
    deleted: bool = False,
    owner: tuple[str, str] = ("Job", JOB_UID),
    scheduled: float | None = 100,
    **status: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "builds",
        "uid": f"uid-of-{name}",
        "creationTimestamp": ago(118),
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": owner[0], "name": "owner", "uid": owner[1], "controller": True}
        ],
    }
    if deleted:
        metadata |= {"deletionTimestamp": ago(20), "deletionGracePeriodSeconds": 10}
    placed = [] if scheduled is None else [condition("PodScheduled", since=scheduled)]
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": MAIN, "image": "busybox:1.37", "resources": {"limits": {"memory": "64Mi"}}},
            ],
        },
        "status": {
            "phase": phase,
            "conditions": [*placed, *conditions],
            "containerStatuses": list(containers),
            "initContainerStatuses": list(init),
            **status,
        },
    }
    assert mistakes(made, "V1Pod") == []
    return made


def an_event(uid: str, reason: str, message: str, *, first: float, last: float = 1, **changes: Any) -> dict[str, Any]:
    made = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{uid}.{reason}.{first}", "namespace": "builds", "creationTimestamp": ago(first)},
        "involvedObject": {"kind": "Pod", "namespace": "builds", "name": "it", "uid": uid},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "count": 3,
        "firstTimestamp": ago(first),
        "lastTimestamp": ago(last),
        **changes,
    }
    assert mistakes(made, "CoreV1Event") == []
    return made


def a_deployment(
    *conditions: dict[str, Any],
    generation: int = 2,
    observed: int | None = None,
    counts: tuple[int, int, int] = (2, 2, 2),
    revision: str = "2",
    uid: str = DEPLOYMENT_UID,
    spec: dict[str, Any] | None = None,
    deleted: bool = False,
    image: str = "nginx:1.29",
) -> dict[str, Any]:
    """A Deployment of two replicas; `counts` are its replicas: in all, updated, available."""
    params = {"image_name": image, "replicas": 2, "name": "web"}
    made = deployment_manifest(order(kind="K8S/Deployment", params=params))
    made["metadata"] |= {
        "uid": uid,
        "generation": generation,
        "creationTimestamp": ago(4000),
        "annotations": {"deployment.kubernetes.io/revision": revision},
    }
    if deleted:
        made["metadata"]["deletionTimestamp"] = ago(5)
    made["spec"] |= {"progressDeadlineSeconds": 600, **(spec or {})}
    total, updated, available = counts
    made["status"] = {
        "observedGeneration": generation if observed is None else observed,
        "replicas": total,
        "updatedReplicas": updated,
        "availableReplicas": available,
        "conditions": [each if "lastUpdateTime" in each else {**each, "lastUpdateTime": each["lastTransitionTime"]}
                       for each in conditions],
    }  # fmt: skip
    assert mistakes(made, "V1Deployment") == []
    return made


def a_replica_set(
    deployment: dict[str, Any], *, name: str = "web-6d5f", revision: str = "2", available: int = 0, image: str = ""
) -> dict[str, Any]:
    """The ReplicaSet of the Deployment's template, or of the same with another image."""
    template = deployment["spec"]["template"]
    spec = template["spec"]
    if image:
        spec = {**spec, "containers": [{**spec["containers"][0], "image": image}]}
    labels = {**template["metadata"]["labels"], "pod-template-hash": name.rpartition("-")[2]}
    made = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": "builds",
            "uid": f"uid-of-{name}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True,
                 "uid": deployment["metadata"]["uid"]}
            ],
        },
        "spec": {"replicas": 2, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": spec}},
        "status": {"replicas": 2, "availableReplicas": available},
    }  # fmt: skip
    assert mistakes(made, "V1ReplicaSet") == []
    return made
