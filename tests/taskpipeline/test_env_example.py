"""`.env.example` says what the settings read, with their defaults."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "taskpipeline" / "settings.py"
APPS = ("clients", "pipelines", "runners", "taskpipeline")
LINE = re.compile(r"(#?)([A-Z][A-Z_]*)=(.*)")
UNSET = object()


@dataclass(frozen=True)
class Example:
    """A line of .env.example: a value, or a name that is unset by default."""

    value: str
    is_unset: bool


def examples() -> dict[str, Example]:
    lines = [line for line in map(LINE.fullmatch, (ROOT / ".env.example").read_text().splitlines()) if line]
    found = {line[2]: Example(value=line[3], is_unset=bool(line[1])) for line in lines}
    assert len(found) == len(lines), "a name stands there twice"
    return found


def reads(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield what a file reads of the environment: `environment.FUNCTION("NAME", ...)`, `os.environ.get("NAME")`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            reader, name = ast.unparse(node.func.value), node.args[0]
            if reader in ("environment", "os.environ") and isinstance(name, ast.Constant):
                yield str(name.value), node


def fixed_default(call: ast.Call) -> Any:
    """Return the default if the call spells one out, UNSET if there is none or it depends on something."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
    if not given or any(isinstance(node, ast.Name | ast.JoinedStr) for node in ast.walk(given[0])):
        return UNSET
    return eval(ast.unparse(given[0]), {"__builtins__": {}})


def as_said(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_settings_read_their_environment_in_one_way() -> None:
    source = SETTINGS.read_text()
    assert "os.environ" not in source
    assert "getenv" not in source


@pytest.mark.parametrize(("name", "call"), [pytest.param(*read, id=read[0]) for read in reads(SETTINGS)])
def test_what_the_settings_read_stands_there_with_its_default(name: str, call: ast.Call) -> None:
    example, default = examples()[name], fixed_default(call)
    if default is UNSET:
        assert example.is_unset
    else:
        assert not example.is_unset
        assert example.value == as_said(default)


def test_what_stands_there_is_read() -> None:
    files = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    read = {name for path in files for name, _ in reads(path)}
    assert set(examples()) <= read
