"""The objects: versions, identities, generations, ownership, deletion. Nothing here knows HTTP."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.kubernetes_api import rules
from tests.kubernetes_api.clock import Clock
from tests.kubernetes_api.defaults import fill_in
from tests.kubernetes_api.ownership import Owner, Owners
from tests.kubernetes_api.resources import DEPLOYMENTS, JOBS, NAMESPACES, PODS, RESOURCES, Object, Resource
from tests.kubernetes_api.status import already_exists, bad_request, conflict, forbidden, not_found
from tests.runners.kubernetes.openapi_types import mistakes

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
STATUS = "status"
_WITHOUT_STATUS = {"events"}
_CONTROLLERS = Owner("kube-controller-manager")
_KEPT = ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp", "managedFields")


class Store:
    """Every write makes a new object with a new `resourceVersion`; what was handed out never changes."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.violations: list[str] = []
        self.version = 1
        self._objects: dict[str, dict[tuple[str, str], Object]] = {plural: {} for plural in RESOURCES}
        self._owners: dict[str, Owners] = {}

    def all(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """In the order of the storage: by namespace and name."""
        held = self._objects[resource.plural]
        return [held[key] for key in sorted(held) if namespace is None or key[0] == namespace]

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._objects[resource.plural].get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        obj = self.find(resource, namespace, name)
        if obj is None:
            raise not_found(resource, name)
        return obj

    def create(self, resource: Resource, namespace: str, obj: Object, *, owner: Owner = _CONTROLLERS) -> Object:
        obj = self._prepared(resource, namespace, obj)
        name = obj["metadata"]["name"]
        if self.find(resource, namespace, name):
            raise already_exists(resource, name)
        owners = Owners()
        owners.updated({}, obj, owner=owner, at=self.clock.stamp())
        return self._admitted(resource, obj, owners)

    def update(
        self, resource: Resource, namespace: str, name: str, obj: Object, *, owner: Owner = _CONTROLLERS
    ) -> Object:
        """Replace what the (sub)resource may change. Raises ApiError 409 if `resourceVersion` is not the current."""
        before = self.get(resource, namespace, name)
        self._check_identity(resource, before, obj)
        after = self._writable(resource, before, obj, subresource=owner.subresource)
        owners = deepcopy(self._owners[before["metadata"]["uid"]])
        if owner.subresource != STATUS:
            owners.updated(before, after, owner=owner, at=self.clock.stamp())
        return self._replaced(resource, before, after, owners, is_status=owner.subresource == STATUS)

    def change(
        self, resource: Resource, namespace: str, name: str, how: Callable[[Object], Any], *, status: bool = True
    ) -> Object:
        """What a controller does: read, change, write back."""
        obj = deepcopy(self.get(resource, namespace, name))
        how(obj)
        subresource = STATUS if status else ""
        return self.update(resource, namespace, name, obj, owner=Owner(_CONTROLLERS.manager, "Update", subresource))

    def apply(
        self, resource: Resource, namespace: str, name: str, config: Object, *, manager: str, force: bool
    ) -> tuple[Object, bool]:
        """Server-side apply; says whether the object was created."""
        if not manager:
            raise bad_request(
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply"
            )
        if config.get("metadata", {}).get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        owner = Owner(manager, "Apply")
        config = {key: value for key, value in config.items() if key != STATUS}
        config["metadata"] = {"name": name, **config.get("metadata", {})}
        self.check_types(resource, config, partial=True)
        before = self.find(resource, namespace, name)
        if before is None:
            obj = self._prepared(resource, namespace, config)
            owners = Owners()
            owners.applied({}, config, owner=owner, force=False, at=self.clock.stamp())
            return self._admitted(resource, obj, owners), True
        self._check_identity(resource, before, config)
        owners = deepcopy(self._owners[before["metadata"]["uid"]])
        merged = owners.applied(before, config, owner=owner, force=force, at=self.clock.stamp())
        after = self._writable(resource, before, merged, subresource="")
        return self._replaced(resource, before, after, owners), False

    def delete(self, resource: Resource, namespace: str, name: str, *, options: Object | None = None) -> Object:
        """Mark an object as being deleted, or take it away if nothing holds it."""
        options = options or {}
        before = self.get(resource, namespace, name)
        for key, held in (options.get("preconditions") or {}).items():
            if before["metadata"].get(key) != held:
                label = "UID" if key == "uid" else "ResourceVersion"
                recorded = before["metadata"].get(key)
                why = f"the {label} in the precondition ({held}) does not match the {label} in record ({recorded})."
                raise conflict(resource, name, f"{why} The object might have been deleted and then recreated")
        after = deepcopy(before)
        metadata = after["metadata"]
        finalizers = metadata.setdefault("finalizers", [])
        # For Jobs the default is still that of their first days: to leave the pods behind.
        policy = options.get("propagationPolicy") or ("Orphan" if resource == JOBS else "Background")
        hold = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(policy)
        if hold and hold not in finalizers:
            finalizers.append(hold)
        graceful = resource == NAMESPACES or (resource == PODS and options.get("gracePeriodSeconds") != 0)
        if not finalizers and not graceful:
            return self._removed(resource, before)
        if not finalizers:
            del metadata["finalizers"]
        if "deletionTimestamp" not in metadata:
            metadata |= {"deletionTimestamp": self.clock.stamp(), "deletionGracePeriodSeconds": 30 if graceful else 0}
            metadata["generation"] = metadata.get("generation", 0) + 1
        return self._written(resource, after, self._owners[metadata["uid"]])

    def remove(self, resource: Resource, obj: Object) -> None:
        """Take an object away: the last word of the kubelet and of the garbage collector."""
        self._removed(resource, obj)

    def _prepared(self, resource: Resource, namespace: str, obj: Object) -> Object:
        self.check_types(resource, obj)
        obj = deepcopy(obj)
        obj |= {"apiVersion": resource.api_version, "kind": resource.kind}
        metadata = obj.setdefault("metadata", {})
        if resource.namespaced:
            self._check_namespace(resource, namespace, metadata)
        if "generateName" in metadata and "name" not in metadata:
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        if not metadata.get("name"):
            raise bad_request("resource name may not be empty")
        for name in (*_KEPT, "selfLink"):
            metadata.pop(name, None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.clock.stamp()}
        if resource.generations:
            metadata["generation"] = 1
        if resource.plural not in _WITHOUT_STATUS:
            obj[STATUS] = {"pods": {"phase": "Pending"}, "namespaces": {"phase": "Active"}}.get(resource.plural, {})
            obj[STATUS] |= {"replicas": 0} if resource.plural == "replicasets" else {}
        return obj

    def _check_namespace(self, resource: Resource, namespace: str, metadata: Object) -> None:
        if metadata.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        held = self.find(NAMESPACES, "", namespace)
        if held is None:
            raise not_found(NAMESPACES, namespace)
        if "deletionTimestamp" in held["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource, metadata.get("name", ""), why)

    def check_types(self, resource: Resource, obj: Object, *, partial: bool = False) -> None:
        """Raises ApiError 400 for what is not of the published type; it also counts as a violation."""
        wrong = mistakes(obj, resource.model, partial=partial)
        if wrong:
            self.violations += [f"{resource.kind}{mistake}" for mistake in wrong]
            raise bad_request(f"strict decoding error: {'; '.join(wrong)}")
        for name, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
            if obj.get(name, wanted) != wanted:
                raise bad_request(f"the {name} in the data ({obj[name]}) does not match the expected ({wanted})")

    def _check_identity(self, resource: Resource, before: Object, obj: Object) -> None:
        metadata = obj.get("metadata", {})
        held = before["metadata"]
        if metadata.get("name", held["name"]) != held["name"]:
            raise bad_request("the name of the object does not match the name on the URL")
        if metadata.get("uid") not in (None, held["uid"]):
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {held['uid']}"
            raise conflict(resource, held["name"], why)
        if metadata.get("resourceVersion") not in (None, held["resourceVersion"]):
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(resource, held["name"], why)

    def _writable(self, resource: Resource, before: Object, obj: Object, *, subresource: str) -> Object:
        """The object after a write: the status only through `status`, everything else only past it."""
        if subresource == STATUS:
            metadata = dict(before["metadata"])
            if resource == DEPLOYMENTS and "annotations" in obj["metadata"]:  # their controller revises them this way
                metadata["annotations"] = dict(obj["metadata"]["annotations"])
            return {**before, "metadata": metadata, STATUS: deepcopy(obj.get(STATUS, {}))}
        after = deepcopy(obj) | {"apiVersion": resource.api_version, "kind": resource.kind}
        if STATUS in before:
            after[STATUS] = before[STATUS]
        held = before["metadata"]
        after["metadata"] = {**after.get("metadata", {}), **{name: held[name] for name in _KEPT if name in held}}
        if "namespace" in held:
            after["metadata"]["namespace"] = held["namespace"]
        return after

    def _admitted(self, resource: Resource, obj: Object, owners: Owners) -> Object:
        fill_in(obj, resource)
        rules.check(obj, resource)
        return self._written(resource, obj, owners)

    def _replaced(
        self, resource: Resource, before: Object, after: Object, owners: Owners, *, is_status: bool = False
    ) -> Object:
        if owners == self._owners[before["metadata"]["uid"]] and after == before:
            return before
        fill_in(after, resource)
        rules.check(after, resource, before=before)
        if resource.generations and not is_status and rules.tracked(after, resource) != rules.tracked(before, resource):
            after["metadata"]["generation"] = before["metadata"]["generation"] + 1
        over = resource != PODS or after[STATUS].get("phase") in ("Succeeded", "Failed")
        if over and "deletionTimestamp" in after["metadata"] and not after["metadata"].get("finalizers"):
            return self._removed(resource, after)
        if after == before and owners == self._owners[before["metadata"]["uid"]]:
            return before
        return self._written(resource, after, owners)

    def _written(self, resource: Resource, obj: Object, owners: Owners) -> Object:
        self.version += 1
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(self.version)
        metadata["managedFields"] = owners.managed_fields(api_version=resource.api_version)
        self.violations += [f"{resource.kind}{mistake}" for mistake in mistakes(obj, resource.model)]
        obj = json.loads(json.dumps(obj))
        self._owners[metadata["uid"]] = owners
        self._objects[resource.plural][metadata.get("namespace", ""), metadata["name"]] = obj
        return obj

    def _removed(self, resource: Resource, obj: Object) -> Object:
        metadata = obj["metadata"]
        self.version += 1
        self._owners.pop(metadata["uid"], None)
        self._objects[resource.plural].pop((metadata.get("namespace", ""), metadata["name"]), None)
        return obj
