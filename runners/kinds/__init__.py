"""The kinds this service brings, one file each; importing them registers them."""

from __future__ import annotations

from runners.kinds import k8s_deployment, k8s_job, shell

__all__ = ["k8s_deployment", "k8s_job", "shell"]
