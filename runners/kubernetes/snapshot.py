"""What a cluster holds of ours, listed once per round however many attempts there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from runners.kubernetes.objects import DEPLOYMENT_LABEL, JOB_LABEL, attempt_name, attempt_of, selector

Object = dict[str, Any]


class Lists(Protocol):
    """The part of a cluster's API that lists."""

    def list_jobs(self, namespace: str, selector: str) -> list[Object]: ...
    def list_pods(self, namespace: str, selector: str) -> list[Object]: ...
    def list_deployments(self, namespace: str, selector: str) -> list[Object]: ...
    def list_replica_sets(self, namespace: str, selector: str) -> list[Object]: ...


@dataclass
class Snapshot:
    """Jobs by namespace and attempt, Deployments by place, and the pods and replica sets of each."""

    jobs: dict[tuple[str, int, int], Object] = field(default_factory=dict)
    pods: dict[tuple[int, int], list[Object]] = field(default_factory=dict)
    deployments: dict[tuple[str, str], Object] = field(default_factory=dict)
    replica_sets: dict[tuple[str, str], list[Object]] = field(default_factory=dict)
    pods_of_deployment: dict[tuple[str, str], list[Object]] = field(default_factory=dict)


def take(api: Lists, *, namespaces: Iterable[str], install: str, with_pods: bool, with_deployments: bool) -> Snapshot:
    """List the namespaces; raise ClusterError unless every list succeeded, so that what lacks is really lacking.

    Only a Job that has the attempt's name is taken for its object: people copy objects with their labels.
    """
    snapshot, ours = Snapshot(), selector(install)
    # What Deployments of earlier jobs serve with is none of a round's business that follows only Jobs.
    of_pods = ours if with_deployments else f"{ours},{JOB_LABEL}"
    for namespace in namespaces:
        for job in api.list_jobs(namespace, ours):
            key = attempt_of(job)
            if key and job["metadata"]["name"] == attempt_name(install, *key):
                snapshot.jobs[namespace, *key] = job
        if with_deployments:
            for deployment in api.list_deployments(namespace, ours):
                snapshot.deployments[namespace, deployment["metadata"]["name"]] = deployment
            for replica_set in api.list_replica_sets(namespace, ours):
                snapshot.replica_sets.setdefault((namespace, _deployment(replica_set)), []).append(replica_set)
        if with_pods:
            for pod in api.list_pods(namespace, of_pods):
                if name := _deployment(pod):
                    snapshot.pods_of_deployment.setdefault((namespace, name), []).append(pod)
                elif key := attempt_of(pod):
                    snapshot.pods.setdefault(key, []).append(pod)
    return snapshot


def _deployment(found: Object) -> str:
    name: str = (found["metadata"].get("labels") or {}).get(DEPLOYMENT_LABEL, "")
    return name
