"""What a command says where there is no database, and where there is one that fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from taskpipeline.no_database import ADVICE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell in which nothing of ours runs."""
    ours = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if name not in ours} | {"VAR_DIR": str(tmp_path)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *arguments]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "command",
    [["migrate"], ["showmigrations"], ["create_client", "somebody"], ["doctor"], ["seed"], ["runserver"]],
    ids=" ".join,
)
def test_a_command_that_needs_the_database_says_what_to_do(nowhere: dict[str, str], command: list[str]) -> None:
    done = run(nowhere, "manage.py", *command)

    assert (done.returncode, done.stderr) == (1, f"{ADVICE}\n")


@pytest.mark.parametrize("command", ["worker", "beat"])
def test_celery_does_not_wait_for_engines_that_nobody_started(nowhere: dict[str, str], command: str) -> None:
    done = run(nowhere, "-m", "celery", "-A", "taskpipeline", command)

    assert done.returncode == 1
    assert ADVICE in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["check", "--fail-level", "WARNING"],
        ["makemigrations", "--check", "--dry-run"],
        ["create_client", "--help"],
        ["create_runner", "--help"],
        ["run_runner", "--help"],
        ["doctor", "--help"],
        ["stack", "--help"],
        ["demo", "--help"],
    ],
    ids=" ".join,
)
def test_what_needs_no_database_runs_without(nowhere: dict[str, str], command: list[str]) -> None:
    done = run(nowhere, "manage.py", *command)

    assert done.returncode == 0, done.stderr


def test_every_setting_stands_in_the_example_with_its_default(nowhere: dict[str, str]) -> None:
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    read = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', (ROOT / "taskpipeline" / "settings.py").read_text()))
    assert read <= named, f"missing in .env.example: {sorted(read - named)}"

    set_there = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    ask = (
        "import json, sys; from django.conf import settings\n"
        "print(json.dumps({name: getattr(settings, name, None) for name in sys.argv[1:]}, default=str))"
    )
    unset = {name: value for name, value in nowhere.items() if name not in named or name == "VAR_DIR"}
    unset["DJANGO_SETTINGS_MODULE"] = "taskpipeline.settings"
    names = sorted(read - {"SECRET_KEY"})

    from_example, defaults = (json.loads(run(env, "-c", ask, *names).stdout) for env in (unset | set_there, unset))

    assert from_example == defaults
