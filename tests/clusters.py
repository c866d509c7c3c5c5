"""Kubernetes runners as tests need them: no API server is behind them unless one is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from clients.models import Client
from pipelines import clock
from pipelines.models import Pipeline
from runners.kubernetes.connection import Connection
from runners.models import Cluster, Runner
from runners.registration import ClusterOptions, create_runner
from tests.scenes import a_pipeline

SERVER = "https://10.0.0.1:6443"
TOKEN = "a-token-that-nobody-sees"


def a_kubernetes_runner(
    name: str = "k8s",
    *,
    connection: Connection | None = None,
    namespace: str = "builds",
    namespaces: Sequence[str] = (),
    service_accounts: Sequence[str] = (),
    online: bool = True,
    **options: Any,
) -> Runner:
    cluster = ClusterOptions(
        connection=connection or Connection(server=SERVER, token=TOKEN),
        namespace=namespace,
        namespaces=namespaces,
        service_accounts=service_accounts,
    )
    runner = create_runner(name, runner_type="kubernetes", cluster=cluster, **options).runner
    if online:
        sync(runner)
    return runner


def sync(runner: Runner, *, at: datetime | None = None, error: str = "") -> None:
    """Have the runner's last round have ended so."""
    Cluster.objects.filter(pk=runner.pk).update(synced_at=at or clock.now(), error=error)


def a_kubernetes_pipeline(client: Client, *names: str, **params: Any) -> Pipeline:
    """Return a pipeline of one stage, its jobs of the kind K8S/Job."""
    asked = {"container_name": "main", "image_name": "busybox:1.37", **params}
    return a_pipeline(client, {"build": [{"name": name, "kind": "K8S/Job", "params": asked} for name in names]})
