"""What the API server refuses with 422: the rules that our objects could break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.kubernetes_api.resources import DEPLOYMENTS, JOBS, NAMESPACES, PODS, REPLICA_SETS, Object, Resource
from tests.kubernetes_api.status import Cause, invalid

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")
ENV_NAME = re.compile(r"[ -<>-~]+")
QUANTITY = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")


def check(obj: Object, resource: Resource, *, before: Object | None = None) -> None:
    """Raises ApiError 422 with every cause; `before` is the object that is updated."""
    causes = list(_causes(obj, resource))
    if before is not None:
        causes += _immutable(before, obj, resource)
    if causes:
        raise invalid(resource, obj["metadata"].get("name", ""), causes)


def _cause(field: str, message: str, *, reason: str = "FieldValueInvalid") -> Cause:
    return {"reason": reason, "message": message, "field": field}


def _causes(obj: Object, resource: Resource) -> Iterator[Cause]:
    metadata = obj["metadata"]
    name = metadata.get("name", "")
    if resource in (JOBS, NAMESPACES) and len(name) > 63:
        yield _cause("metadata.name", f'Invalid value: "{name}": must be no more than 63 characters')
    form = LABEL if resource == NAMESPACES else SUBDOMAIN
    if not form.fullmatch(name) or len(name) > 253:
        yield _cause("metadata.name", f'Invalid value: "{name}": a lowercase RFC 1123 name must consist of ...')
    yield from _labels(metadata, "metadata")
    spec = obj.get("spec") or {}
    if resource in (JOBS, DEPLOYMENTS, REPLICA_SETS):
        template = spec.get("template") or {}
        yield from _labels(template.get("metadata") or {}, "spec.template.metadata")
        yield from _pod(template.get("spec") or {}, "spec.template.spec")
        yield from _job(spec) if resource == JOBS else _workload(spec)
    elif resource == PODS:
        yield from _pod(spec, "spec")


def _labels(metadata: Object, path: str) -> Iterator[Cause]:
    for name, value in (metadata.get("labels") or {}).items():
        yield from _qualified(name, f"{path}.labels")
        if not LABEL_VALUE.fullmatch(value):
            yield _cause(f"{path}.labels", f'Invalid value: "{value}": a valid label must be an empty string or ...')
    for name in metadata.get("annotations") or {}:
        yield from _qualified(name.lower(), f"{path}.annotations")


def _qualified(name: str, path: str) -> Iterator[Cause]:
    prefix, slash, last = name.rpartition("/")
    if not NAME_PART.fullmatch(last) or (slash and not (SUBDOMAIN.fullmatch(prefix) and len(prefix) <= 253)):
        yield _cause(path, f'Invalid value: "{name}": name part must consist of alphanumeric characters ...')


def _pod(spec: Object, path: str) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield _cause(f"{path}.containers", "Required value", reason="FieldValueRequired")
    for at, container in enumerate(containers):
        here = f"{path}.containers[{at}]"
        if not LABEL.fullmatch(container.get("name", "")):
            yield _cause(f"{here}.name", f'Invalid value: "{container.get("name")}": a lowercase RFC 1123 label ...')
        image = container.get("image", "")
        if not image:
            yield _cause(f"{here}.image", "Required value", reason="FieldValueRequired")
        elif image.strip() != image:
            yield _cause(f"{here}.image", f'Invalid value: "{image}": must not have leading or trailing whitespace')
        for variable in container.get("env") or []:
            if not ENV_NAME.fullmatch(variable["name"]):
                yield _cause(f"{here}.env", f'Invalid value: "{variable["name"]}": a valid environment variable ...')
        for port in container.get("ports") or []:
            if not 0 < port["containerPort"] < 65536:
                yield _cause(f"{here}.ports", f"Invalid value: {port['containerPort']}: must be between 1 and 65535")
        for bound, amounts in (container.get("resources") or {}).items():
            for amount in amounts.values() if isinstance(amounts, dict) else ():
                if not QUANTITY.fullmatch(str(amount)):
                    yield _cause(f"{here}.resources.{bound}", f"Invalid value: {amount!r}: quantities must match ...")
    account = spec.get("serviceAccountName")
    if account and not SUBDOMAIN.fullmatch(account):
        yield _cause(f"{path}.serviceAccountName", f'Invalid value: "{account}"')


def _job(spec: Object) -> Iterator[Cause]:
    restart = spec["template"]["spec"].get("restartPolicy")
    if restart not in ("Never", "OnFailure"):
        message = f'Required value: valid values: "OnFailure", "Never", not {restart!r}'
        yield _cause("spec.template.spec.restartPolicy", message, reason="FieldValueRequired")
    if spec.get("podFailurePolicy"):
        if restart != "Never":
            yield _cause("spec.podFailurePolicy", 'Invalid value: only "Never" is supported when podFailurePolicy ...')
        for rule in spec["podFailurePolicy"].get("rules", []):
            if bool(rule.get("onExitCodes")) == bool(rule.get("onPodConditions")):
                yield _cause("spec.podFailurePolicy.rules", "Invalid value: specifying one of OnExitCodes and ...")
        if spec.get("podReplacementPolicy") != "Failed":
            yield _cause("spec.podReplacementPolicy", "Unsupported value", reason="FieldValueNotSupported")
    for name in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if (spec.get(name) or 0) < 0:
            yield _cause(f"spec.{name}", f"Invalid value: {spec[name]}: must be greater than or equal to 0")


def _workload(spec: Object) -> Iterator[Cause]:
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not wanted or any(labels.get(name) != value for name, value in wanted.items()):
        yield _cause("spec.template.metadata.labels", "Invalid value: `selector` does not match template `labels`")
    if spec["template"]["spec"].get("restartPolicy") != "Always":
        yield _cause("spec.template.spec.restartPolicy", 'Unsupported value: supported values: "Always"')
    if spec["replicas"] < 0:
        yield _cause("spec.replicas", "Invalid value: must be greater than or equal to 0")
    if "progressDeadlineSeconds" in spec and spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        yield _cause("spec.progressDeadlineSeconds", "Invalid value: must be greater than minReadySeconds")
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate"):
        yield _cause(
            "spec.strategy.rollingUpdate", "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        )


def _immutable(before: Object, after: Object, resource: Resource) -> Iterator[Cause]:
    fixed: dict[Resource, tuple[str, ...]] = {
        JOBS: ("template", "selector", "completionMode"),
        DEPLOYMENTS: ("selector",),
        REPLICA_SETS: ("selector",),
    }
    old, new = before.get("spec") or {}, after.get("spec") or {}
    for name in fixed.get(resource, ()):
        if old.get(name) != new.get(name):
            yield _cause(f"spec.{name}", "Invalid value: field is immutable")


def tracked(obj: Object, resource: Resource) -> Any:
    """What a `generation` counts: everything but metadata and status; of Deployments the annotations as well."""
    annotations = (obj["metadata"].get("annotations") or {}) if resource == DEPLOYMENTS else {}
    return annotations, {name: value for name, value in obj.items() if name not in ("metadata", "status")}
