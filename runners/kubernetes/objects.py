"""What is created in a cluster: names, labels and manifests, each a pure function of the order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runners.kinds.k8s_deployment import DeploymentParams
from runners.kinds.k8s_job import JobParams
from runners.kubernetes.containers import container, pod_spec

INSTALL_LABEL = "taskpipeline.dev/install"
CLIENT_LABEL = "taskpipeline.dev/client"
JOB_LABEL = "taskpipeline.dev/job"
ATTEMPT_LABEL = "taskpipeline.dev/attempt"
DEPLOYMENT_LABEL = "taskpipeline.dev/deployment"
"""By which a Deployment selects its pods: its own name, unique in the namespace and never changed."""

FIELD_MANAGER = "taskpipeline"
DEADLINE_SLACK_SECONDS = 60
"""How long after the timeout, by our clock, Kubernetes ends the Job by its own."""

_INSTALL_LENGTH = 16
_INSTALL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt as a cluster is told of it; `client` is the client's primary key, `namespace` where it goes."""

    install: str
    job: int
    attempt: int
    job_name: str
    client: int
    kind: str
    version: str
    params: dict[str, Any] = field(repr=False)
    timeout: int | None
    namespace: str
    stop_grace_seconds: int = 10


def object_name(order: Order) -> str:
    """Return the name of the attempt's object: creating it twice finds the first. A DNS label of at most 63."""
    return attempt_name(order.install, order.job, order.attempt)


def attempt_name(install: str, job: int, attempt: int) -> str:
    """Return the name of the object of that job's attempt."""
    return f"tp-{_short(install)}-{job}-{attempt}"


def deployment_name(order: Order) -> str:
    """Return the name of the Deployment: the one given, or else the job's."""
    name = order.params.get("name")
    return order.job_name if name is None else str(name)


def selector(install: str) -> str:
    """Return the label selector of all objects of this install."""
    return f"{INSTALL_LABEL}={install}"


def field_manager(install: str) -> str:
    """Return the name under which server-side apply records our fields."""
    return f"{FIELD_MANAGER}-{_short(install)}"


def attempt_of(found: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the job and the attempt's number that an object is labelled with, if it is."""
    labels = found.get("metadata", {}).get("labels") or {}
    job, attempt = labels.get(JOB_LABEL, ""), labels.get(ATTEMPT_LABEL, "")
    return (int(job), int(attempt)) if job.isdecimal() and attempt.isdecimal() else None


def is_of_attempt(found: Mapping[str, Any], *, order: Order) -> bool:
    """Tell whether an object found under the attempt's name is the attempt's own."""
    labels = found.get("metadata", {}).get("labels") or {}
    return attempt_of(found) == (order.job, order.attempt) and labels.get(INSTALL_LABEL) == order.install


def is_of_client(found: Mapping[str, Any], *, order: Order) -> bool:
    """Tell whether a Deployment found under the name is this client's, and may be changed for it."""
    labels = found.get("metadata", {}).get("labels") or {}
    return labels.get(CLIENT_LABEL) == str(order.client) and labels.get(INSTALL_LABEL) == order.install


def job_manifest(order: Order) -> dict[str, Any]:
    """Return the Job of an attempt: one try, whatever becomes of its pods, disruptions excepted."""
    params = JobParams.model_validate(order.params)
    labels = {**params.labels, **_attempt_labels(order)}
    spec: dict[str, Any] = {
        # Retries are ours: the first pod that fails ends the Job. One that was disrupted did not fail.
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "podReplacementPolicy": "Failed",
        "ttlSecondsAfterFinished": params.ttl_seconds_after_finished,
        "template": {
            "metadata": _metadata(labels=labels, annotations=params.annotations),
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": order.stop_grace_seconds,
                **pod_spec(params),
                "containers": [container(params)],
            },
        },
    }
    optional = {
        "parallelism": params.parallelism,
        "completions": params.completions,
        # The second line: our own clock stops it first.
        "activeDeadlineSeconds": order.timeout + DEADLINE_SLACK_SECONDS if order.timeout else None,
    }
    spec |= {name: value for name, value in optional.items() if value is not None}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": object_name(order),
            "namespace": order.namespace,
            **_metadata(labels=labels, annotations=params.annotations),
        },
        "spec": spec,
    }


def deployment_manifest(order: Order) -> dict[str, Any]:
    """Return the Deployment to apply, with the fields that are ours and no others.

    The pod template says nothing of job or attempt, so that the same parameters again change nothing.
    """
    params = DeploymentParams.model_validate(order.params)
    name = deployment_name(order)
    of_pods = {
        INSTALL_LABEL: order.install,
        CLIENT_LABEL: str(order.client),
        DEPLOYMENT_LABEL: name,
    }
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {DEPLOYMENT_LABEL: name}},
        "strategy": params.update_strategy.as_kubernetes(),
        "template": {
            "metadata": _metadata(labels={**params.labels, **of_pods}, annotations=params.annotations),
            "spec": {**pod_spec(params), "containers": [container(params)]},
        },
    }
    # Left out where not given: an autoscaler keeps its number, and Kubernetes' own defaults hold.
    optional = {"replicas": params.replicas, "progressDeadlineSeconds": params.progress_deadline_seconds}
    spec |= {name: value for name, value in optional.items() if value is not None}
    labels = {**params.labels, **_attempt_labels(order), DEPLOYMENT_LABEL: name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": order.namespace,
            **_metadata(labels=labels, annotations=params.annotations),
        },
        "spec": spec,
    }


def rollback_manifest(order: Order, *, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Deployment to apply to have an earlier pod template back (rollout_verdicts.template_of_revision).

    Applied under the same field manager and not patched: what another manager owned would conflict with the next apply.
    """
    manifest = deployment_manifest(order)
    return {**manifest, "spec": {**manifest["spec"], "template": dict(template)}}


def _attempt_labels(order: Order) -> dict[str, str]:
    return {
        INSTALL_LABEL: order.install,
        CLIENT_LABEL: str(order.client),
        JOB_LABEL: str(order.job),
        ATTEMPT_LABEL: str(order.attempt),
    }


def _metadata(*, labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, Any]:
    return {"labels": dict(labels)} | ({"annotations": dict(annotations)} if annotations else {})


def _short(install: str) -> str:
    """Return what stands for the install in names: itself if it is short and fits, or else a digest of it."""
    if len(install) <= _INSTALL_LENGTH and _INSTALL.fullmatch(install):
        return install
    return hashlib.sha256(install.encode()).hexdigest()[:12]
