"""The garbage collector: cascading deletion, and what namespaces held."""

from __future__ import annotations

from tests.kubernetes_api.controllers.base import TRACKING, Controller, owners_of
from tests.kubernetes_api.resources import (
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    RESOURCES,
    Object,
    Resource,
)
from tests.kubernetes_api.store import FOREGROUND, ORPHAN


class GarbageCollector(Controller):
    def step(self) -> None:
        for resource in (JOBS, DEPLOYMENTS, REPLICA_SETS):
            for obj in self.store.all(resource):
                if "deletionTimestamp" in obj["metadata"]:
                    self._finish(resource, obj)
        self._collect()
        for namespace in self.store.all(NAMESPACES):
            if "deletionTimestamp" in namespace["metadata"]:
                self._empty(namespace)

    def _finish(self, resource: Resource, obj: Object) -> None:
        finalizers = obj["metadata"].get("finalizers", [])
        held = [(kind, child) for kind in (PODS, REPLICA_SETS) for child in self.dependents(obj, kind)]
        if ORPHAN in finalizers:
            for kind, child in held:
                self.change(kind, child, lambda changed: changed["metadata"].pop("ownerReferences"), status=False)
            self.drop_finalizer(resource, obj, ORPHAN)
        elif FOREGROUND in finalizers:
            if not held:
                self.drop_finalizer(resource, obj, FOREGROUND)
            for kind, child in held:
                if "deletionTimestamp" not in child["metadata"]:
                    self.delete(kind, child, propagation="Foreground" if kind == REPLICA_SETS else "Background")

    def _collect(self) -> None:
        """What has lost all its owners goes too; what a Job tracks is let go of when the Job is."""
        alive = {obj["metadata"]["uid"] for resource in RESOURCES.values() for obj in self.store.all(resource)}
        going = {job["metadata"]["uid"] for job in self.store.all(JOBS) if "deletionTimestamp" in job["metadata"]}
        for kind in (REPLICA_SETS, PODS):
            for obj in self.store.all(kind):
                owners = owners_of(obj)
                if kind == PODS and (not owners or not set(owners) - going or not alive & set(owners)):
                    self.drop_finalizer(kind, obj, TRACKING)
                    obj = self.store.find(kind, obj["metadata"]["namespace"], obj["metadata"]["name"]) or {}
                if obj and owners and not alive & set(owners):
                    self.delete(kind, obj)

    def _empty(self, namespace: Object) -> None:
        name, left = namespace["metadata"]["name"], 0
        for resource in RESOURCES.values():
            for obj in self.store.all(resource, name) if resource.namespaced else []:
                left += 1
                if resource == EVENTS:
                    self.store.remove(resource, obj)
                else:
                    self.delete(resource, obj)
        if not left:
            self.store.remove(NAMESPACES, namespace)
