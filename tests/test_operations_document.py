"""docs/operations.md knows every alarm, metric and log line there is, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from runners import doctor

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
APPS = ("clients", "pipelines", "runners", "taskpipeline")
LOGGED = {f"logger.{level}" for level in ("warning", "error", "critical", "exception", "log")}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under the heading, without its head."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def logged() -> Iterator[str]:
    """Yield what is logged as a warning or worse: constants, or what a function of the same file returns."""
    for tree in (ast.parse(path.read_text()) for app in APPS for path in (ROOT / app).rglob("*.py")):
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in LOGGED):
                continue
            message = node.args[1 if ast.unparse(node.func) == "logger.log" else 0]
            if isinstance(message, ast.Call):
                returned = ast.walk(functions[ast.unparse(message.func)])
                messages = [each.value for each in returned if isinstance(each, ast.Return)]
            else:
                messages = [message]
            for each in messages:
                assert isinstance(each, ast.Constant), f"a message that varies: {ast.unparse(node)}"
                yield str(each.value)


def test_every_invariant_is_explained() -> None:
    assert [row[0].strip("`") for row in rows("Doctor")] == list(doctor.RULES)


@pytest.mark.django_db
def test_every_metric_is_explained_and_those_that_alarms_name_exist() -> None:
    there = set(re.findall(r'"(taskpipeline_\w+)"', (ROOT / "taskpipeline" / "metrics.py").read_text()))
    assert {row[0].strip("`").partition("{")[0] for row in rows("Metrics")} == there
    assert set(re.findall(r"taskpipeline_\w+", DOCUMENT)) == there


def test_every_log_line_is_explained() -> None:
    explained = {event for row in rows("Log lines") for event in re.findall(r"`([^`]+)`", row[0])}
    assert explained == set(logged())


def test_the_doctor_tells_where_it_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "check", lambda now: [doctor.Violation("stage_order", 1, ["stage 1"])])
    monkeypatch.setattr("runners.management.commands.doctor.clock.now", lambda: None)
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert "docs/operations.md" in capsys.readouterr().err
