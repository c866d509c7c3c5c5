"""The Job controller: pods for a Job, and its verdict in conditions, in the order of the real one."""

from __future__ import annotations

from copy import deepcopy

from tests.kubernetes_api.controllers.base import TERMINAL, TRACKING, Controller, Refused, condition, set_condition
from tests.kubernetes_api.resources import JOBS, PODS, Object

DECIDED = {"FailureTarget": "Failed", "SuccessCriteriaMet": "Complete"}


class JobController(Controller):
    def step(self) -> None:
        for job in self.store.all(JOBS):
            if "deletionTimestamp" in job["metadata"]:
                continue
            if condition(job, "Complete") or condition(job, "Failed"):
                self._finished(job)
            else:
                self._sync(job)

    def _finished(self, job: Object) -> None:
        for pod in self.dependents(job, PODS):
            self.drop_finalizer(PODS, pod, TRACKING)
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        over = condition(job, "Complete") or condition(job, "Failed") or {}
        if ttl is not None and self.store.clock.seconds_since(over["lastTransitionTime"]) >= ttl:
            self.delete(JOBS, job, propagation="Foreground")

    def _sync(self, job: Object) -> None:
        spec, status = job["spec"], deepcopy(job["status"])
        now = self.store.clock.stamp()
        if spec["suspend"]:
            self.change(JOBS, job, lambda changed: _suspend(changed["status"], at=now))
            return
        status.setdefault("startTime", now)
        failure = self._count(job, status)
        pods = [pod for pod in self.dependents(job, PODS) if pod["status"]["phase"] not in TERMINAL]
        terminating = [pod for pod in pods if "deletionTimestamp" in pod["metadata"]]
        active = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        decided = next((kind for kind in DECIDED if condition(job, kind)), None)
        if decided:
            for pod in active:
                self.delete(PODS, pod)
            if not pods:
                self._end(status, decided, job, at=now)
        elif target := self._target(job, status, failure):
            kind, reason, message = target
            set_condition(status, kind, "True", reason=reason, message=message, at=now, lastProbeTime=now)
            for pod in active:
                self.delete(PODS, pod)
        else:
            self._create(job, status, active=len(active), terminating=len(terminating))
        active = [pod for pod in self.dependents(job, PODS) if _is_active(pod)]
        ready = [pod for pod in active if condition(pod, "Ready")]
        status |= {"active": len(active), "ready": len(ready), "terminating": len(terminating)}
        status["uncountedTerminatedPods"] = {}
        if not status["active"]:
            del status["active"]
        self.change(JOBS, job, lambda changed: changed.update(status=status))

    def _count(self, job: Object, status: Object) -> tuple[str, str] | None:
        """Count the pods that have ended and let go of them; a rule of the failure policy may decide."""
        failure = None
        for pod in self.dependents(job, PODS):
            if TRACKING not in pod["metadata"].get("finalizers", []):
                continue
            phase = pod["status"]["phase"]
            if phase == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
            elif phase == "Failed" or (
                "deletionTimestamp" in pod["metadata"]
                and job["spec"]["podReplacementPolicy"] != "Failed"
                and not any(condition(job, kind) for kind in DECIDED)
            ):
                action, message = _rule(job, pod)
                if action != "Ignore":
                    status["failed"] = status.get("failed", 0) + 1
                if action == "FailJob":
                    failure = ("PodFailurePolicy", message)
            else:
                continue
            self.drop_finalizer(PODS, pod, TRACKING)
        return failure

    def _target(self, job: Object, status: Object, failure: tuple[str, str] | None) -> tuple[str, str, str] | None:
        spec = job["spec"]
        if failure:
            return ("FailureTarget", *failure)
        if status.get("failed", 0) > spec["backoffLimit"]:
            return "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None and self.store.clock.seconds_since(status["startTime"]) >= deadline:
            return "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"
        if status.get("succeeded", 0) >= (spec.get("completions") or 1):
            return "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
        return None

    def _create(self, job: Object, status: Object, *, active: int, terminating: int) -> None:
        spec = job["spec"]
        left = (spec.get("completions") or spec["parallelism"]) - status.get("succeeded", 0)
        kept = terminating if spec["podReplacementPolicy"] == "Failed" else 0
        for _ in range(min(spec["parallelism"], left) - active - kept):
            try:
                self.create_pod(job, finalizers=[TRACKING])
            except Refused as refused:
                self.event(job, reason="FailedCreate", message=str(refused), component="job-controller")
                return

    def _end(self, status: Object, decided: str, job: Object, *, at: str) -> None:
        target = condition(job, decided) or {}
        said = {"reason": target["reason"], "message": target["message"]}
        set_condition(status, DECIDED[decided], "True", at=at, lastProbeTime=at, **said)
        if decided == "SuccessCriteriaMet":
            status["completionTime"] = at


def _is_active(pod: Object) -> bool:
    return pod["status"]["phase"] not in TERMINAL and "deletionTimestamp" not in pod["metadata"]


def _suspend(status: Object, *, at: str) -> None:
    set_condition(status, "Suspended", "True", reason="JobSuspended", message="Job suspended", at=at, lastProbeTime=at)


def _rule(job: Object, pod: Object) -> tuple[str, str]:
    """What the Job's failure policy says of a failed pod; Count is what is done without one."""
    for rule in (job["spec"].get("podFailurePolicy") or {}).get("rules", []):
        for pattern in rule.get("onPodConditions") or []:
            held = condition(pod, pattern["type"])
            if held and pattern["status"] == "True":
                name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                return rule["action"], f"Pod {name} has condition {pattern['type']} matching {rule['action']} rule"
        codes = rule.get("onExitCodes")
        for container in pod["status"].get("containerStatuses", []) if codes else []:
            ended = container["state"].get("terminated") or {}
            fits = codes.get("containerName") in (None, container["name"]) and ended.get("exitCode", 0) != 0
            if fits and (ended["exitCode"] in codes["values"]) == (codes["operator"] == "In"):
                name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                said = f"Container {container['name']} for pod {name} failed with exit code {ended['exitCode']}"
                return rule["action"], f"{said} matching {rule['action']} rule"
    return "Count", ""
