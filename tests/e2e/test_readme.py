"""The curl session of the README and what the API guide adds to it, run as they are written there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import PATIENCE_SECONDS, ROOT, Stack, shell

HEADING = "## A session with curl"
# Said after the session, so that the test knows what it made.
EPILOGUE = 'printf "\\n%s %s %s\\n" "$PIPELINE" "$JOB" "$SLEEPER"\n'


def blocks(text: str, *, heading: str) -> list[str]:
    """Return the bash blocks of the section."""
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```bash\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def session() -> list[str]:
    found = blocks((ROOT / "README.md").read_text(), heading=HEADING)
    assert len(found) == 5
    return found


@pytest.fixture(scope="module")
def output(session: list[str], stack: Stack) -> str:
    """Run all blocks of the session in one bash, in a checkout, and return what they print."""
    return run("".join([*session, EPILOGUE]), environment=stack.environment, cwd=ROOT)


def run(script: str, *, environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_the_session_runs_its_pipeline_to_the_end(output: str, stack: Stack) -> None:
    pipeline, job, _ = output.split()[-3:]
    shown = stack.pipeline(int(pipeline))
    assert (shown["name"], shown["labels"], shown["state"]) == ("hello", {"team": "docs"}, "DONE")
    assert [(each["name"], each["attempt"]) for stage in shown["stages"] for each in stage["jobs"]] == [
        ("hello", 1),
        ("flaky", 2),
        ("bye", 1),
    ]
    lines = output.splitlines()
    assert f"pipeline {pipeline}" in lines
    assert f"{job} greet hello DONE attempt 1" in lines


def test_the_session_lists_its_pipeline(output: str) -> None:
    listed = output[output.index("{") : output.index("\n}\n")]
    assert f'"id": {output.split()[-3]}' in listed


def test_the_session_shows_the_log(output: str) -> None:
    assert f"hello from job {output.split()[-2]}" in output.splitlines()


def test_the_session_cancels_what_runs(output: str, stack: Stack) -> None:
    sleeper = stack.pipeline(int(output.split()[-1]))
    assert sleeper["state"] == "CANCELLED"
    assert output.splitlines()[-3] == "CANCELLED"


def test_the_guide_follows_a_log_to_its_end(session: list[str], stack: Stack) -> None:
    (follow,) = blocks((ROOT / "docs" / "api.md").read_text(), heading="## Logs")
    command = "for i in 1 2 3; do echo line $i; sleep 0.2; done"
    pipeline = stack.submit({"stages": ["run"], "jobs": [shell("talk", command)]})
    job = stack.pipeline(pipeline)["stages"][0]["jobs"][0]["id"]
    printed = run(f"{session[0]}JOB={job}\n{follow}", environment=stack.environment, cwd=ROOT)
    assert printed == "line 1\nline 2\nline 3\n"
    assert stack.pipeline(pipeline)["stages"][0]["jobs"][0]["state"] == "DONE"
