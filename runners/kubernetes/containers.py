"""The parts of a pod that the parameters of a kind describe."""

from __future__ import annotations

from typing import Any

from runners.kinds.k8s import ContainerParams
from runners.kinds.k8s_deployment import DeploymentParams
from runners.kinds.k8s_job import JobParams
from runners.kinds.k8s_resources import Amounts


def container(params: ContainerParams) -> dict[str, Any]:
    """Return the container, with the fields given and no others."""
    optional = {
        "command": params.command,
        "args": params.args,
        "env": [{"name": name, "value": value} for name, value in params.env.items()],
        "resources": _resources(params),
        "imagePullPolicy": params.image_pull_policy if isinstance(params, JobParams) else None,
        "ports": [port.as_kubernetes() for port in params.port_list] if isinstance(params, DeploymentParams) else None,
    }
    return {"name": params.container_name, "image": params.image_name} | _given(optional)


def pod_spec(params: ContainerParams) -> dict[str, Any]:
    """Return what the pod's spec has beside its container: no cluster credentials unless asked for."""
    optional = {
        "serviceAccountName": params.service_account,
        "imagePullSecrets": [{"name": name} for name in params.image_pull_secrets],
        "nodeSelector": params.node_selector if isinstance(params, JobParams) else None,
    }
    return {"automountServiceAccountToken": params.service_account is not None} | _given(optional)


def _resources(params: ContainerParams) -> dict[str, dict[str, str]]:
    amounts = {"requests": params.resources.requests, "limits": params.resources.limits}
    return {name: _strings(each) for name, each in amounts.items() if each}


def _strings(amounts: Amounts) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
