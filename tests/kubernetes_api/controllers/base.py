"""What controllers share: owners and dependents, events, pods made from a template."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

from tests.kubernetes_api.resources import EVENTS, PODS, Object, Resource
from tests.kubernetes_api.store import Store

TRACKING = "batch.kubernetes.io/job-tracking"
TERMINAL = ("Succeeded", "Failed")


class Refused(Exception):
    """Admission lets no pod in; the message is what the event says."""


class Controller:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.service_accounts = {"default"}
        self.busy = False  # something goes on that no object shows yet
        self._numbers = itertools.count(1)

    def step(self) -> None:
        raise NotImplementedError

    def dependents(self, owner: Object, resource: Resource) -> list[Object]:
        uid = owner["metadata"]["uid"]
        objects = self.store.all(resource, owner["metadata"].get("namespace"))
        return [obj for obj in objects if uid in owners_of(obj)]

    def delete(self, resource: Resource, obj: Object, *, propagation: str = "Background") -> None:
        if "deletionTimestamp" in obj["metadata"] and propagation == "Background":
            return
        options = {"propagationPolicy": propagation}
        self.store.delete(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], options=options)

    def change(self, resource: Resource, obj: Object, how: Any, *, status: bool = True) -> Object:
        metadata = obj["metadata"]
        return self.store.change(resource, metadata.get("namespace", ""), metadata["name"], how, status=status)

    def drop_finalizer(self, resource: Resource, obj: Object, finalizer: str) -> None:
        def drop(changed: Object) -> None:
            held = [name for name in changed["metadata"].get("finalizers", []) if name != finalizer]
            changed["metadata"]["finalizers"] = held
            if not held:
                del changed["metadata"]["finalizers"]

        if finalizer in obj["metadata"].get("finalizers", []):
            self.change(resource, obj, drop, status=False)

    def create_pod(self, owner: Object, *, finalizers: list[str] | None = None) -> None:
        """Raises Refused where a quota or a missing service account would keep the pod out."""
        template, metadata = deepcopy(owner["spec"]["template"]), owner["metadata"]
        name = f"{metadata['name'][:57]}-{next(self._numbers):05x}"
        spec = template["spec"]
        account = spec.get("serviceAccountName", "default")
        if account not in self.service_accounts:
            why = f'error looking up service account {metadata["namespace"]}/{account}: serviceaccount "{account}"'
            raise Refused(f'Error creating: pods "{name}" is forbidden: {why} not found')
        if spec["containers"][0]["image"].startswith("quota/"):
            why = "exceeded quota: compute, requested: cpu=1, used: cpu=4, limited: cpu=4"
            raise Refused(f'Error creating: pods "{name}" is forbidden: {why}')
        meta = template.get("metadata", {}) | {"name": name, "ownerReferences": [reference(owner)]}
        if finalizers:
            meta["finalizers"] = finalizers
        self.store.create(PODS, metadata["namespace"], {"metadata": meta, "spec": spec})

    def event(self, about: Object, *, reason: str, message: str, component: str, kind: str = "Warning") -> None:
        """Say something once; the real ones count up what they repeat."""
        metadata = about["metadata"]
        for event in self.store.all(EVENTS, metadata["namespace"]):
            if event["involvedObject"]["uid"] == metadata["uid"] and event["reason"] == reason:
                return
        now = self.store.clock.stamp()
        involved = {"kind": about["kind"], "apiVersion": about["apiVersion"], "name": metadata["name"]}
        involved |= {"namespace": metadata["namespace"], "uid": metadata["uid"]}
        self.store.create(
            EVENTS,
            metadata["namespace"],
            {
                "metadata": {"name": f"{metadata['name']}.{next(self._numbers):016x}"},
                "involvedObject": involved | {"resourceVersion": metadata["resourceVersion"]},
                "reason": reason,
                "message": message,
                "type": kind,
                "count": 1,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "source": {"component": component},
            },
        )


def owners_of(obj: Object) -> list[str]:
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences", [])]


def reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def set_condition(status: Object, kind: str, value: str, *, reason: str, message: str, at: str, **more: str) -> None:
    """Add or change a condition; its transition time moves only with its status."""
    conditions = status.setdefault("conditions", [])
    held = next((condition for condition in conditions if condition["type"] == kind), None)
    if held is None:
        held = {"type": kind}
        conditions.append(held)
    if held.get("status") != value:
        held["lastTransitionTime"] = at
    held |= {"status": value, "reason": reason, "message": message} | more


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of that type if it is true."""
    for held in obj.get("status", {}).get("conditions", []):
        if held["type"] == kind and held["status"] == "True":
            return dict(held)
    return None


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready") is not None and "deletionTimestamp" not in pod["metadata"]
