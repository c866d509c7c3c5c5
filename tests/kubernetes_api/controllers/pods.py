"""Scheduler and kubelet: one step of each pod's life a round."""

from __future__ import annotations

from copy import deepcopy

from tests.kubernetes_api.controllers.base import TERMINAL, Controller, owners_of, set_condition
from tests.kubernetes_api.controllers.plays import Play, container_status, play_of
from tests.kubernetes_api.logs import Logs
from tests.kubernetes_api.resources import PODS, Object
from tests.kubernetes_api.store import Store

NODE = "node-1"
EVICTED = {
    "node": "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi.",
    "limit": "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
}
UNSCHEDULABLE = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available."


class Kubelet(Controller):
    def __init__(self, store: Store, logs: Logs) -> None:
        super().__init__(store)
        self._logs = logs
        self._rounds: dict[str, int] = {}
        self._disrupted: set[str] = set()

    def step(self) -> None:
        self.busy = False
        for pod in self.store.all(PODS):
            if pod["status"]["phase"] in TERMINAL:
                if "deletionTimestamp" in pod["metadata"] and not pod["metadata"].get("finalizers"):
                    self.store.remove(PODS, pod)
            elif "deletionTimestamp" in pod["metadata"]:
                self._end(pod, exit_code=143, reason="Error")
            elif "nodeName" not in pod["spec"]:
                self._schedule(pod)
            else:
                self._live(pod, play_of(pod))

    def _schedule(self, pod: Object) -> None:
        now, play = self.store.clock.stamp(), play_of(pod)
        status = deepcopy(pod["status"])
        if play.name == "unschedulable":
            said = {"reason": "Unschedulable", "message": UNSCHEDULABLE}
            set_condition(status, "PodScheduled", "False", at=now, **said)
            self.event(pod, reason="FailedScheduling", message=UNSCHEDULABLE, component="default-scheduler")
            self._write(pod, status)
            return
        self.change(PODS, pod, lambda changed: changed["spec"].update(nodeName=NODE), status=False)
        for kind, value in (("PodScheduled", "True"), ("Initialized", "True"), ("Ready", "False")):
            set_condition(status, kind, value, reason="", message="", at=now)
        status |= {"startTime": now, "hostIP": "10.0.0.1", "qosClass": "BestEffort"}
        self._containers(pod, status, {"waiting": {"reason": "ContainerCreating"}})
        self._write(pod, status)

    def _live(self, pod: Object, play: Play) -> None:
        rounds = self._rounds[pod["metadata"]["uid"]] = self._rounds.get(pod["metadata"]["uid"], 0) + 1
        if waiting := play.waiting(rounds=rounds):
            self._wait(pod, *waiting)
        elif rounds == 1:
            self._start(pod)
        elif pod["spec"]["restartPolicy"] == "Always":
            self._serve(pod, play, rounds=rounds)
        else:
            self._work(pod, play, rounds=rounds)

    def _wait(self, pod: Object, reason: str, message: str) -> None:
        status = deepcopy(pod["status"])
        self._containers(pod, status, {"waiting": {"reason": reason, "message": message}})
        self._write(pod, status)
        self.event(pod, reason="BackOff" if "BackOff" in reason else "Failed", message=message, component="kubelet")

    def _start(self, pod: Object) -> None:
        status = deepcopy(pod["status"]) | {"phase": "Running"}
        self._containers(pod, status, {"running": {"startedAt": self.store.clock.stamp()}})
        always = pod["spec"]["restartPolicy"] == "Always"
        set_condition(
            status, "Ready", "False" if always else "True", reason="", message="", at=self.store.clock.stamp()
        )
        self._logs.write(pod, "started\n")
        self._write(pod, status)

    def _work(self, pod: Object, play: Play, *, rounds: int) -> None:
        """A container of a Job: runs its rounds, then ends."""
        uid = (owners_of(pod) or [pod["metadata"]["uid"]])[0]
        if play.name in ("hang", "unready"):
            return
        first = uid not in self._disrupted
        self._disrupted.add(uid)
        if play.name == "disrupt" and first:
            self._disrupt(pod, reason="EvictionByEvictionAPI", message="Eviction API: evicting")
        elif play.name == "evict" and (first or play.argument != "node"):
            self._evict(pod, by_node=play.argument == "node")
        elif rounds <= play.rounds:
            self._logs.write(pod, f"round {rounds}\n")
            self.busy = True
        else:
            self._logs.write(pod, "ended\n")
            reasons = {0: "Completed", 137: "OOMKilled" if play.name == "oom" else "Error"}
            self._end(pod, exit_code=play.exit_code, reason=reasons.get(play.exit_code, "Error"))

    def _serve(self, pod: Object, play: Play, *, rounds: int) -> None:
        """A container of a Deployment: gets ready, or never does."""
        if play.exit_code:
            self._crash(pod, play)
        elif play.name != "unready" and rounds <= play.rounds:
            self.busy = True
        elif play.name != "unready":
            status = deepcopy(pod["status"])
            for container in status["containerStatuses"]:
                container["ready"] = True
            for kind in ("Ready", "ContainersReady"):
                set_condition(status, kind, "True", reason="", message="", at=self.store.clock.stamp())
            self._write(pod, status)

    def _crash(self, pod: Object, play: Play) -> None:
        status, now = deepcopy(pod["status"]), self.store.clock.stamp()
        if status["containerStatuses"][0]["restartCount"]:
            return
        ended = {"exitCode": play.exit_code, "reason": "OOMKilled" if play.name == "oom" else "Error"}
        ended |= {"startedAt": status["startTime"], "finishedAt": now}
        message = "back-off 10s restarting failed container"
        for container in status["containerStatuses"]:
            container |= {"restartCount": 1, "started": False, "lastState": {"terminated": ended}}
            container["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        self._write(pod, status)
        self.event(pod, reason="BackOff", message=message, component="kubelet")

    def _disrupt(self, pod: Object, *, reason: str, message: str) -> None:
        status = deepcopy(pod["status"])
        set_condition(status, "DisruptionTarget", "True", reason=reason, message=message, at=self.store.clock.stamp())
        self._write(pod, status)
        self.delete(PODS, pod)

    def _evict(self, pod: Object, *, by_node: bool) -> None:
        message = EVICTED["node" if by_node else "limit"]
        status = deepcopy(pod["status"]) | {"reason": "Evicted", "message": message}
        if by_node:
            said = {"reason": "TerminationByKubelet", "message": message}
            set_condition(status, "DisruptionTarget", "True", at=self.store.clock.stamp(), **said)
        self._ended(pod, status, exit_code=137, reason="Error")
        self.event(pod, reason="Evicted", message=message, component="kubelet")

    def _end(self, pod: Object, *, exit_code: int, reason: str) -> None:
        self._ended(pod, deepcopy(pod["status"]), exit_code=exit_code, reason=reason)

    def _ended(self, pod: Object, status: Object, *, exit_code: int, reason: str) -> None:
        """The last status; containers that never ran have no exit code."""
        now = self.store.clock.stamp()
        status["phase"] = "Failed" if exit_code else "Succeeded"
        for container in status.get("containerStatuses", []):
            running = container["state"].get("running")
            if running:
                ended = {"exitCode": exit_code, "reason": reason, "finishedAt": now, "startedAt": running["startedAt"]}
                container |= {"state": {"terminated": ended}, "ready": False, "started": False}
        for kind in ("Ready", "ContainersReady"):
            set_condition(status, kind, "False", reason=f"Pod{status['phase']}", message="", at=now)
        self._write(pod, status)

    def _containers(self, pod: Object, status: Object, state: Object) -> None:
        status["containerStatuses"] = [
            container_status(container["name"], image=container["image"], state=state)
            for container in pod["spec"]["containers"]
        ]

    def _write(self, pod: Object, status: Object) -> None:
        self.change(PODS, pod, lambda changed: changed.update(status=status))
