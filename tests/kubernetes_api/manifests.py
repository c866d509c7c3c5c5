"""Plain objects to create in tests of the server and of what talks to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.kubernetes_api.resources import Object

LABELS = {"a": "b"}


def job(name: str, *, image: str = "ok", labels: Mapping[str, str] = LABELS, **spec: Any) -> Object:
    """A Job of one container, as we would make one: no retries of its own."""
    template = {
        "metadata": {"labels": dict(labels)},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"backoffLimit": 0, "template": template, **spec},
    }


def deployment(name: str, *, image: str, replicas: int = 3, **spec: Any) -> Object:
    """A Deployment of one container."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }
