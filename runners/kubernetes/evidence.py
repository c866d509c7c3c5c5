"""What is kept of a cluster's objects with an attempt, so that its end can be understood once they are gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from runners.kubernetes.reading import Object, conditions_of, last_seen, name_of, readable, status_of, uid_of

LIMIT_BYTES = 16 * 1024
_CONTAINERS = 8
_CONDITIONS = 10
# Pods, events and characters of a text, from generous to what always fits.
_SIZES = ((10, 20, 600), (6, 12, 300), (3, 6, 150), (1, 3, 80))


def evidence_of(found: Object | None, *, pods: Sequence[Object], events: Sequence[Object]) -> dict[str, Any]:
    """Return the object's conditions, its pods' statuses and the last events, in at most LIMIT_BYTES of JSON."""
    kept: dict[str, Any] = {}
    for most_pods, most_events, most in _SIZES:
        kept = {
            **({"object": _object(found, most=most)} if found is not None else {}),
            "pods": [_pod(pod, most=most) for pod in sorted(pods, key=_by_interest)[:most_pods]],
            "events": [_event(event, most=most) for event in _last(events, number=most_events)],
        }
        if len(json.dumps(kept)) <= LIMIT_BYTES:
            break
    return kept


def _by_interest(pod: Object) -> tuple[bool, str]:
    return status_of(pod).get("phase") == "Succeeded", name_of(pod)


def _object(found: Object, *, most: int) -> dict[str, Any]:
    return {
        "kind": found.get("kind") or "",
        "namespace": found.get("metadata", {}).get("namespace") or "",
        "name": name_of(found),
        "uid": uid_of(found),
        "conditions": _conditions(found, most=most),
    }


def _conditions(found: Object, *, most: int) -> list[dict[str, Any]]:
    return [
        _texts(each, names=("type", "status", "reason", "message", "lastTransitionTime"), most=most)
        for each in conditions_of(found)[:_CONDITIONS]
    ]


def _pod(pod: Object, *, most: int) -> dict[str, Any]:
    status = status_of(pod)
    return {
        "name": name_of(pod),
        "node": (pod.get("spec") or {}).get("nodeName") or "",
        **_texts(status, names=("phase", "reason", "message"), most=most),
        "containers": [
            _container(each, most=most)
            for each in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())][
                :_CONTAINERS
            ]
        ],
        # Those that say something is amiss.
        "conditions": [
            each
            for each in _conditions(pod, most=most)
            if each.get("reason") and (each["status"] == "False" or each["type"] == "DisruptionTarget")
        ],
    }


def _container(container: Object, *, most: int) -> dict[str, Any]:
    kept: dict[str, Any] = {"name": container.get("name") or "", "image": readable(container.get("image"), most=most)}
    for field in ("state", "lastState"):
        for state, details in (container.get(field) or {}).items():
            names = ("reason", "message", "startedAt", "finishedAt")
            numbers = {name: details[name] for name in ("exitCode", "signal") if isinstance(details.get(name), int)}
            kept[field] = {"is": state, **_texts(details, names=names, most=most), **numbers}
    if container.get("restartCount"):
        kept["restarts"] = container["restartCount"]
    return kept


def _last(events: Iterable[Object], *, number: int) -> list[Object]:
    return sorted(events, key=lambda event: str(last_seen(event)))[-number:]


def _event(event: Object, *, most: int) -> dict[str, Any]:
    about = event.get("involvedObject") or {}
    return {
        "at": str(last_seen(event) or ""),
        "about": readable(f"{about.get('kind', '')}/{about.get('name', '')}", most=most),
        **_texts(event, names=("type", "reason", "message"), most=most),
        "count": event.get("count") or (event.get("series") or {}).get("count") or 1,
    }


def _texts(found: Object, *, names: Iterable[str], most: int) -> dict[str, str]:
    return {name: readable(found[name], most=most) for name in names if found.get(name)}
