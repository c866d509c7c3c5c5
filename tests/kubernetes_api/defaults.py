"""What the API server fills in: without it no apply would ever find an object unchanged."""

from __future__ import annotations

from tests.kubernetes_api.resources import DEPLOYMENTS, JOBS, PODS, REPLICA_SETS, Object, Resource


def fill_in(obj: Object, resource: Resource) -> None:
    """Set the defaults of a kind where nothing was said; metadata must be complete."""
    spec = obj.get("spec")
    if resource == JOBS and spec is not None:
        _job(obj, spec)
    elif resource in (DEPLOYMENTS, REPLICA_SETS) and spec is not None:
        spec.setdefault("replicas", 1)
        _template(spec, restart="Always")
        if resource == DEPLOYMENTS:
            _deployment(spec)
    elif resource == PODS and spec is not None:
        _pod(spec, restart="Always")


def _job(obj: Object, spec: Object) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    for rule in (spec.get("podFailurePolicy") or {}).get("rules", []):
        for pattern in rule.get("onPodConditions") or []:
            pattern.setdefault("status", "True")
    name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    labels |= {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    labels |= {"controller-uid": uid, "job-name": name}
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    _template(spec, restart=None)


def _deployment(spec: Object) -> None:
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _template(spec: Object, *, restart: str | None) -> None:
    if "spec" in spec.get("template", {}):
        _pod(spec["template"]["spec"], restart=restart)


def _pod(spec: Object, *, restart: str | None) -> None:
    if restart is not None:
        spec.setdefault("restartPolicy", restart)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
        container.setdefault("imagePullPolicy", "Always" if tag in ("", "latest") else "IfNotPresent")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
