"""docs/kubernetes.md: every reason and label in the code stands there and no other; the manifests are the file's."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from runners import kubernetes
from runners.kubernetes import job_verdicts, objects, pods, rollout_verdicts
from runners.kubernetes.beginning import REFUSALS
from runners.kubernetes.exceptions import ClusterError, Unreachable

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "kubernetes.md").read_text()
MODULES = [import_module(f"{kubernetes.__name__}.{found.name}") for found in iter_modules(kubernetes.__path__)]
# In what the reason stands, and where.
PLACES = {"Verdict": 1, "Trouble": 0}


def first_column(title: str) -> set[str]:
    """Return what the first column of the section's tables has, as code."""
    section = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def reasons_in(module: ModuleType) -> Iterator[str]:
    """Yield the reasons that the module's verdicts may have."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Name):
            value = getattr(module, node.id, None) if node.id.isupper() else None
            if isinstance(value, str) and is_reason(value):
                yield value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PLACES:
            place = PLACES[node.func.id]
            named = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            yield from letters(named or node.args[place : place + 1])
        elif isinstance(node, ast.Assign):
            yield from letters(assigned("reason", node))


def assigned(name: str, node: ast.Assign) -> Iterator[ast.expr]:
    for target in node.targets:
        pairs = (
            zip(target.elts, node.value.elts, strict=True)
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            else [(target, node.value)]
        )
        yield from (value for each, value in pairs if isinstance(each, ast.Name) and each.id == name)


def letters(nodes: Iterable[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def is_reason(value: str) -> bool:
    """Tell whether a constant is one of the reasons that the judging modules define."""
    judging = (job_verdicts, rollout_verdicts, pods)
    return re.fullmatch(r"[a-z_]+", value) is not None and any(value in vars(module).values() for module in judging)


def all_below(error: type[ClusterError]) -> Iterator[type[ClusterError]]:
    yield error
    for each in error.__subclasses__():
        yield from all_below(each)


def test_every_reason_of_a_verdict_is_explained_and_no_other() -> None:
    in_code = {reason for module in MODULES for reason in reasons_in(module)}
    assert {"exit_code", "object_gone", "quota_exceeded", "namespace_not_found"} <= in_code  # one of each way to say it
    assert first_column("Verdicts") == in_code | {error.default_reason for error in REFUSALS}


def test_every_way_in_which_a_round_fails_is_explained_and_no_other() -> None:
    errors = {error.default_reason for error in all_below(ClusterError)}
    assert Unreachable.default_reason in errors
    assert first_column("Health") == errors


def test_every_label_is_explained_and_no_other() -> None:
    labels = {value for name, value in vars(objects).items() if name.endswith("_LABEL")}
    assert first_column("Who may do what") == labels


def test_the_manifests_shown_are_those_of_the_file() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert shown == (ROOT / "deploy" / "kubernetes-runner.yaml").read_text()
