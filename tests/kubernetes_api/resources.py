"""What the server serves: the resources, where they are, and which published type each has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    plural: str
    kind: str
    model: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    generations: bool = False
    """Its `generation` goes up when its spec changes."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAMESPACES = Resource("namespaces", "Namespace", "V1Namespace", namespaced=False)
PODS = Resource("pods", "Pod", "V1Pod", generations=True)
EVENTS = Resource("events", "Event", "CoreV1Event")
JOBS = Resource("jobs", "Job", "V1Job", group="batch", generations=True)
DEPLOYMENTS = Resource("deployments", "Deployment", "V1Deployment", group="apps", generations=True)
REPLICA_SETS = Resource("replicasets", "ReplicaSet", "V1ReplicaSet", group="apps", generations=True)

RESOURCES = {resource.plural: resource for resource in (NAMESPACES, PODS, EVENTS, JOBS, DEPLOYMENTS, REPLICA_SETS)}


def find(group: str, version: str, plural: str) -> Resource | None:
    resource = RESOURCES.get(plural)
    return resource if resource and (resource.group, resource.version) == (group, version) else None
