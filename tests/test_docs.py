"""The documents say nothing that is not so: links, commands, settings, names and edges are looked up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from pipelines import kinds
from pipelines.kinds import Registry
from pipelines.states import EDGES, State
from runners.executors import is_executable, server
from runners.models import RunnerType
from taskpipeline.celery import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
APPS = ("clients", "pipelines", "runners", "taskpipeline")
CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CAPITALS = re.compile(r"([A-Z]+(?:_[A-Z]+)*)(?:=.*)?")
DOTTED = re.compile(rf"(?:{'|'.join(APPS)})(?:\.[A-Za-z_]+)+")
# What stands in capitals and is no setting: variables of make, of jobs, of the session, of the network; a name in the
# code; a method.
NOT_SETTINGS = {
    "ARGS", "AUTH", "DELETE", "EXECUTORS", "HTTPS_PROXY", "NO_PROXY", "TASKPIPELINE_ATTEMPT", "TASKPIPELINE_JOB", "URL",
}  # fmt: skip

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def code(text: str) -> list[str]:
    """Return what is marked as code, in blocks and in lines."""
    return [block or span for block, span in CODE.findall(text)]


def blocks(text: str, *, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            found = (document.parent / path).resolve() if path else document
            assert found.exists(), target
            assert not anchor or anchor in anchors(found.read_text()), target


@each_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for text in code(document.read_text()) for name in re.findall(r"\bmake ([a-z-]+)", text)}
    assert named <= targets


@each_document
def test_management_commands_exist(document: Path) -> None:
    named = {name for text in code(document.read_text()) for name in re.findall(r"manage\.py ([a-z_]+)", text)}
    assert named <= set(get_commands())


@each_document
def test_settings_exist(document: Path) -> None:
    named = {match[1] for text in code(document.read_text()) if (match := CAPITALS.fullmatch(text))}
    environment = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    unknown = named - environment - NOT_SETTINGS - set(State.values)
    assert {name for name in unknown if not hasattr(settings, name)} == set()


@each_document
def test_names_in_the_code_exist(document: Path) -> None:
    named = {text for text in code(document.read_text()) if DOTTED.fullmatch(text)}
    app.loader.import_default_modules()
    tasks = {server.EXECUTE, server.STOP, server.DRAIN, *app.tasks}
    assert {name for name in named if name not in tasks and not exists(name)} == set()


def exists(name: str) -> bool:
    """Tell whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            found = getattr(found, part, None)
        return found is not None
    return False


@each_document
def test_files_exist(document: Path) -> None:
    # Those that the recipe for a new kind makes are not there yet.
    made = {"runners/kinds/wait.py", "runners/agent/wait.py", "tests/runners/test_kind_wait.py"}
    named = {text for text in code(document.read_text()) if re.fullmatch(r"\.?[\w/.-]+\.(?:py|md|yaml|example)", text)}
    places = (ROOT, ROOT / "docs")
    assert {name for name in named - made if not any((place / name).exists() for place in places)} == set()


def test_the_drawing_of_the_states_has_the_edges_that_there_are() -> None:
    text = (ROOT / "docs" / "state-machine.md").read_text()
    (drawing,) = blocks(text, language="mermaid")
    drawn = {letter: (source, end) for source, end, letter in re.findall(r"^ *(\S+) --> (\S+): (\w)$", drawing, re.M)}
    assert len(drawn) == drawing.count("-->")
    assert set(drawn.values()) == {("[*]", "READY"), *((str(source), str(end)) for source, end in EDGES)}
    listed = re.findall(r"^\| \*\*(\w)\*\* (\w+) → (\w+) ", text, re.MULTILINE)
    assert {letter: (source.replace("created", "[*]"), end) for letter, source, end in listed} == drawn


def is_served(path: str) -> bool:
    try:
        resolve(f"/api/v1/{path.format(id=1)}")
    except Resolver404:
        return False
    return True


def status_rows(words: str) -> Iterable[str]:
    """Return the rows of the README's status table that have the words."""
    section = (ROOT / "README.md").read_text().partition("\n## What works\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|") and words in line]


@pytest.mark.parametrize("path", ["pipelines/{id}/rerun/", "jobs/{id}/why/"])
def test_the_status_table_knows_which_routes_are_not_there(path: str) -> None:
    (row,) = status_rows(f"`{path}`")
    assert ("not yet" in row or "does not exist yet" in row) is not is_served(path)


@pytest.mark.parametrize("kind", ["Shell", "HTTP/Request", "K8S/Job", "K8S/Deployment"])
def test_the_status_table_knows_which_kinds_are_not_there(kind: str) -> None:
    (row,) = status_rows(f"`{kind}`")
    assert ("not yet" in row) is not bool(kinds.versions(kind))


@pytest.mark.parametrize("runner_type", [RunnerType.KUBERNETES, RunnerType.HTTP])
def test_the_status_table_knows_which_runners_cannot_be_made(runner_type: str) -> None:
    (row,) = status_rows(f"`{runner_type}` runners")
    assert ("cannot be made" in row) is not is_executable(runner_type)


def test_the_recipe_for_a_new_kind_works(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = blocks((ROOT / "CONTRIBUTING.md").read_text(), language="python")
    monkeypatch.setattr(kinds, "register", Registry().register)  # it is not to stay
    for name, source in zip(("runners.kinds.wait", "runners.agent.wait", "test_wait"), recipe, strict=True):
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, name, "exec"), vars(module))
    tests = [test for name, test in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()


def test_the_documented_production_environment_is_clean(tmp_path: Path) -> None:
    (script, *_) = blocks((ROOT / "docs" / "deployment.md").read_text(), language="bash")
    load = f"set -a; . ./.env; set +a; VAR_DIR=var '{sys.executable}' '{ROOT}/manage.py' check --deploy"
    done = subprocess.run(
        ["bash", "-eu", "-c", f"{script}\n{load} --fail-level WARNING"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
