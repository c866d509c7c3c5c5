"""The Deployment controller: a ReplicaSet per template, revisions, and what it says of its progress."""

from __future__ import annotations

import hashlib
import json
import math
from copy import deepcopy
from typing import Any

from tests.kubernetes_api.controllers.base import Controller, condition, reference, set_condition
from tests.kubernetes_api.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Object

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


class DeploymentController(Controller):
    def step(self) -> None:
        for deployment in self.store.all(DEPLOYMENTS):
            if "deletionTimestamp" not in deployment["metadata"]:
                self._sync(deployment)

    def _sync(self, deployment: Object) -> None:
        sets = self.dependents(deployment, REPLICA_SETS)
        if deployment["spec"].get("paused"):
            self._report(deployment, new=_of_template(deployment, sets), created=False)
            return
        new = _of_template(deployment, sets)
        created = new is None
        if new is None:
            new = self._create_set(deployment, sets)
        new = self._revise(deployment, new, sets)
        self._scale(deployment, new, [held for held in sets if held["metadata"]["uid"] != new["metadata"]["uid"]])
        self._report(deployment, new=new, created=created)

    def _create_set(self, deployment: Object, sets: list[Object]) -> Object:
        metadata, spec = deployment["metadata"], deployment["spec"]
        template = deepcopy(spec["template"])
        short = hashlib.sha1(json.dumps(template, sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:9]
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = short
        selector = {"matchLabels": spec["selector"]["matchLabels"] | {HASH: short}}
        meta = {"name": f"{metadata['name']}-{short}", "labels": labels, "ownerReferences": [reference(deployment)]}
        meta["annotations"] = {REVISION: str(max(map(_revision, sets), default=0) + 1)}
        body = {"metadata": meta, "spec": {"replicas": 0, "selector": selector, "template": template}}
        return self.store.create(REPLICA_SETS, metadata["namespace"], body)

    def _revise(self, deployment: Object, new: Object, sets: list[Object]) -> Object:
        """An old template that comes back gets the next revision; the Deployment carries the newest."""
        latest = max(map(_revision, sets), default=0)
        if _revision(new) < latest:
            new = self.change(REPLICA_SETS, new, lambda obj: _annotate(obj, str(latest + 1)), status=False)
        revision = new["metadata"]["annotations"][REVISION]
        if deployment["metadata"].get("annotations", {}).get(REVISION) != revision:
            self.change(DEPLOYMENTS, deployment, lambda obj: _annotate(obj, revision))
        return new

    def _scale(self, deployment: Object, new: Object, old: list[Object]) -> None:
        spec = deployment["spec"]
        wanted, strategy = spec["replicas"], spec["strategy"]
        held = sum(item["spec"]["replicas"] for item in old)
        if strategy["type"] == "Recreate":
            for item in old:
                self._resize(item, 0)
            if not any(self.dependents(item, PODS) for item in old):
                self._resize(new, wanted)
            return
        surge = _amount(strategy["rollingUpdate"]["maxSurge"], wanted, up=True)
        missing = _amount(strategy["rollingUpdate"]["maxUnavailable"], wanted, up=False)
        room = wanted + max(surge, 0 if missing else 1) - held
        size = new["spec"]["replicas"]
        self._resize(new, wanted if size > wanted else max(size, min(wanted, room)))
        available = sum(item["status"].get("availableReplicas", 0) for item in (*old, new))
        spare = available - (wanted - missing)
        for item in sorted(old, key=_revision):
            sick = item["spec"]["replicas"] - item["status"].get("availableReplicas", 0)
            well = min(max(spare, 0), item["spec"]["replicas"] - max(sick, 0))
            spare -= well
            self._resize(item, item["spec"]["replicas"] - max(sick, 0) - well)

    def _resize(self, item: Object, size: int) -> None:
        if item["spec"]["replicas"] != size:
            self.change(REPLICA_SETS, item, lambda obj: obj["spec"].update(replicas=size), status=False)

    def _report(self, deployment: Object, *, new: Object | None, created: bool) -> None:
        sets = self.dependents(deployment, REPLICA_SETS)
        uid = new["metadata"]["uid"] if new else ""
        fresh: Object = next((item["status"] for item in sets if item["metadata"]["uid"] == uid), {})
        total = _sum(sets, "replicas")
        counts = {"replicas": total, "updatedReplicas": fresh.get("replicas", 0)}
        counts |= {"readyReplicas": _sum(sets, "readyReplicas"), "availableReplicas": _sum(sets, "availableReplicas")}
        counts["unavailableReplicas"] = max(0, deployment["spec"]["replicas"] - counts["availableReplicas"])
        status: Object = {"observedGeneration": deployment["metadata"]["generation"]}
        status |= {name: count for name, count in counts.items() if count}
        status["conditions"] = deepcopy(deployment["status"].get("conditions", []))
        self._conditions(deployment, status, counts, sets, name=new["metadata"]["name"] if new else "", created=created)
        self.change(DEPLOYMENTS, deployment, lambda obj: obj.update(status=status))

    def _conditions(
        self,
        deployment: Object,
        status: Object,
        counts: dict[str, int],
        sets: list[Object],
        *,
        name: str,
        created: bool,
    ) -> None:
        now, spec = self.store.clock.stamp(), deployment["spec"]
        before = deployment["status"]
        conditions: list[Object] = before.get("conditions", [])
        held: Object = next((item for item in conditions if item["type"] == "Progressing"), {})
        wanted = spec["replicas"]
        complete = counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted
        moved = any(
            counts[key] > before.get(key, 0) for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
        )
        quoted = f'ReplicaSet "{name}"'
        said: tuple[str, str, str] | None = None
        if spec.get("paused"):
            said = ("Unknown", "DeploymentPaused", "Deployment is paused")
        elif created:
            said = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        elif complete:
            said = ("True", "NewReplicaSetAvailable", f"{quoted} has successfully progressed.")
        elif moved and held.get("reason") != "NewReplicaSetAvailable":
            said = ("True", "ReplicaSetUpdated", f"{quoted} is progressing.")
        elif self._is_late(held, spec):
            said = ("False", "ProgressDeadlineExceeded", f"{quoted} has timed out progressing.")
        if said and (said[1] != held.get("reason") or said[2] != held.get("message") or (moved and not complete)):
            set_condition(status, "Progressing", said[0], reason=said[1], message=said[2], at=now, lastUpdateTime=now)
        self._available(status, counts, spec, at=now)
        failed = next((item for item in (condition(item, "ReplicaFailure") for item in sets) if item), None)
        if failed:
            more = {"reason": failed["reason"], "message": failed["message"]}
            self._set(status, "ReplicaFailure", "True", at=now, **more)
        else:
            status["conditions"] = [item for item in status["conditions"] if item["type"] != "ReplicaFailure"]

    def _is_late(self, progressing: Object, spec: Object) -> bool:
        if progressing.get("reason") in (
            None,
            "NewReplicaSetAvailable",
            "ProgressDeadlineExceeded",
            "DeploymentPaused",
        ):
            return False
        return bool(self.store.clock.seconds_since(progressing["lastUpdateTime"]) > spec["progressDeadlineSeconds"])

    def _available(self, status: Object, counts: dict[str, int], spec: Object, *, at: str) -> None:
        rolling = spec["strategy"].get("rollingUpdate") or {}
        missing = _amount(rolling.get("maxUnavailable", 0), spec["replicas"], up=False)
        if counts["availableReplicas"] >= spec["replicas"] - missing:
            more = {"reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability."}
            self._set(status, "Available", "True", at=at, **more)
        else:
            more = {"reason": "MinimumReplicasUnavailable", "message": "Deployment does not have minimum availability."}
            self._set(status, "Available", "False", at=at, **more)

    def _set(self, status: Object, kind: str, value: str, *, at: str, reason: str, message: str) -> None:
        """Touch a condition only when it says something else, as the real one does."""
        for held in status["conditions"]:
            if held["type"] == kind and (held["status"], held["reason"]) == (value, reason):
                return
        set_condition(status, kind, value, reason=reason, message=message, at=at, lastUpdateTime=at)


def _of_template(deployment: Object, sets: list[Object]) -> Object | None:
    for item in sets:
        template = deepcopy(item["spec"]["template"])
        template["metadata"]["labels"].pop(HASH)
        if template == deployment["spec"]["template"]:
            return item
    return None


def _revision(item: Object) -> int:
    return int(item["metadata"].get("annotations", {}).get(REVISION, 0))


def _annotate(obj: Object, revision: str) -> None:
    obj["metadata"].setdefault("annotations", {})[REVISION] = revision


def _amount(value: Any, of: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * of / 100
    return math.ceil(share) if up else math.floor(share)


def _sum(sets: list[Object], name: str) -> int:
    return sum(item["status"].get(name, 0) for item in sets)
