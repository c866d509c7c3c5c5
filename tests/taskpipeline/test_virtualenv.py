from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "virtualenv.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that needs no package at all, in a path with spaces."""
    directory = tmp_path / "a check out"
    directory.mkdir()
    (directory / "requirements.txt").write_text("# nothing\n")
    (directory / "requirements-dev.txt").write_text("-r requirements.txt\n")
    return directory


def install(checkout: Path, file: str = "requirements.txt") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, SCRIPT, file], cwd=checkout, env=environment, capture_output=True, text=True, timeout=300
    )


def test_it_makes_a_virtualenv_once_and_again_when_the_requirements_change(checkout: Path) -> None:
    first = install(checkout, "requirements-dev.txt")
    assert first.returncode == 0, first.stderr
    assert "Installing requirements-dev.txt" in first.stderr
    python = checkout / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-c", "pass"]).returncode == 0

    # What the larger file brings is what the smaller one asks for.
    assert install(checkout, "requirements-dev.txt").stderr == ""
    assert install(checkout).stderr == ""

    with (checkout / "requirements.txt").open("a") as requirements:
        requirements.write("# another\n")
    assert "Installing" in install(checkout).stderr


def test_a_package_that_cannot_be_installed_is_tried_again(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("./not-there\n")

    for _ in range(2):
        done = install(checkout)
        assert done.returncode == 1
        assert "pip could not install requirements.txt" in done.stderr


def test_two_at_once_take_turns(checkout: Path) -> None:
    command = [sys.executable, str(SCRIPT), "requirements.txt"]
    both = [subprocess.Popen(command, cwd=checkout, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[1] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sorted("Installing" in text for text in told) == [False, True]
