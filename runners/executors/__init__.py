"""How each runner type is talked to: one file a type, named by dotted path and loaded at first use."""

from __future__ import annotations

from functools import cache

from django.utils.module_loading import import_string

from runners.executors.base import Executor

_EXECUTORS = {
    "server": "runners.executors.server.ServerExecutor",
    "kubernetes": "runners.executors.kubernetes.KubernetesExecutor",
}


@cache
def executor_for(runner_type: str) -> Executor:
    """Return the executor of the runner type; raise KeyError for a type that has none."""
    executor: Executor = import_string(_EXECUTORS[runner_type])()
    return executor


def is_executable(runner_type: str) -> bool:
    """Tell whether jobs can be sent to runners of the type."""
    return runner_type in _EXECUTORS


__all__ = ["Executor", "executor_for", "is_executable"]
