"""The ReplicaSet controller: as many pods as were asked for."""

from __future__ import annotations

from tests.kubernetes_api.controllers.base import TERMINAL, Controller, Refused, is_ready, set_condition
from tests.kubernetes_api.resources import PODS, REPLICA_SETS, Object


class ReplicaSetController(Controller):
    def step(self) -> None:
        for item in self.store.all(REPLICA_SETS):
            if "deletionTimestamp" not in item["metadata"]:
                self._sync(item)

    def _sync(self, item: Object) -> None:
        pods = self._pods(item)
        refused = ""
        for _ in range(item["spec"]["replicas"] - len(pods)):
            try:
                self.create_pod(item)
            except Refused as error:
                refused = str(error)
                self.event(item, reason="FailedCreate", message=refused, component="replicaset-controller")
                break
        for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - item["spec"]["replicas"])]:
            self.delete(PODS, pod)
        pods = self._pods(item)
        ready = sum(map(is_ready, pods))
        status: Object = {"replicas": len(pods), "observedGeneration": item["metadata"]["generation"]}
        counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
        status |= {name: count for name, count in counts.items() if count}
        if refused:
            held = [entry for entry in item["status"].get("conditions", []) if entry["type"] == "ReplicaFailure"]
            status["conditions"] = held
            if not held:
                at = self.store.clock.stamp()
                set_condition(status, "ReplicaFailure", "True", reason="FailedCreate", message=refused, at=at)
        self.change(REPLICA_SETS, item, lambda obj: obj.update(status=status))

    def _pods(self, item: Object) -> list[Object]:
        return [
            pod
            for pod in self.dependents(item, PODS)
            if pod["status"]["phase"] not in TERMINAL and "deletionTimestamp" not in pod["metadata"]
        ]
