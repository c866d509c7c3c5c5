"""docs/kubernetes.md: every reason in the code stands there and no other, and the manifests are what it shows."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pytest
import yaml

from runners import kubernetes
from runners.kubernetes import exceptions, job_verdicts, objects, pods, rollout_verdicts
from runners.kubernetes.beginning import REFUSALS
from runners.kubernetes.exceptions import ClusterError

ROOT = Path(__file__).parents[3]
TEXT = ""
MANIFESTS = ROOT / "deploy" / "kubernetes-runner.yaml"
MODULES = [import_module(f"{kubernetes.__name__}.{found.name}") for found in iter_modules(kubernetes.__path__)]
# Where the reason stands in what a verdict is made of.
PLACES = {"Verdict": 1, "Trouble": 0}


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> set[str]:
    """Return what the first column of the section's tables has, as code."""
    return {name for row in re.findall(r"^\| (`[^|]*) \|", section(title), re.M) for name in re.findall(r"`(\w+)`", row)}


def reasons_in(module: ModuleType) -> Iterator[str]:
    """Yield the reasons that the module's verdicts name, in letters or by a constant."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PLACES:
            place = PLACES[node.func.id]
            named = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            for argument in named or node.args[place : place + 1]:
                yield from literals(argument, module=module)
        if isinstance(node, ast.Assign | ast.Return) and node.value is not None:
            yield from literals(node.value, module=module, strict=True)


def literals(node: ast.expr, *, module: ModuleType, strict: bool = False) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id.isupper() and isinstance(value := getattr(module, each.id, None), str):
            if re.fullmatch(r"[a-z_]+", value) and defined(value):
                yield value
        elif not strict and isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def defined(value: str) -> bool:
    """Tell whether the constant is one of the reasons of the modules that judge."""
    return any(value in vars(module).values() for module in (job_verdicts, rollout_verdicts, pods))


def test_collects() -> None:
    found = {reason for module in MODULES for reason in reasons_in(module)}
    print(sorted(found))
    assert 0
