"""The example pipeline and its `workshop`, without a service."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.definition import Limits, parse

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """The examples where a stack would put them, in a path with spaces."""
    copy = tmp_path / "a var dir" / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__", "artefacts"))
    return copy / "bin" / "workshop"


def run(workshop: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{os.environ['PATH']}:{workshop.parent}"}
    return subprocess.run(["workshop", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


def test_a_project_is_checked_out_whole(workshop: Path, tmp_path: Path) -> None:
    assert run(workshop, "checkout", "wordcount", cwd=tmp_path).returncode == 0

    assert (tmp_path / "wordcount" / "__main__.py").exists()
    assert (tmp_path / "sample.txt").exists()


def test_what_one_job_keeps_another_fetches(workshop: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    (first / "a file").write_text("content")

    assert run(workshop, "keep", "a file", cwd=first).returncode == 0
    assert run(workshop, "fetch", "a file", cwd=second).returncode == 0

    assert (second / "a file").read_text() == "content"
    assert [path.name for path in (workshop.parents[1] / "artefacts").iterdir()] == ["a file"]


@pytest.mark.parametrize(
    "arguments", [("fetch", "nothing"), ("keep", "nothing"), ("checkout", "nothing"), ("mend",), ()]
)
def test_it_fails_where_there_is_nothing_to_do(workshop: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(workshop, *arguments, cwd=tmp_path).returncode != 0


def test_the_document_has_what_the_demo_is_to_show() -> None:
    document = parse(
        (EXAMPLES / "build-test-deliver.yaml").read_bytes(), media_type="application/yaml", limits=Limits()
    )

    jobs = document.jobs
    assert len(document.stages) == 3
    assert len(jobs) >= 6
    assert {job.kind for job in jobs} == {"Shell"}
    assert len({job.priority for job in jobs}) > 1
    assert [job.name for job in jobs if job.retry_attempt]
    assert [job.name for job in jobs if job.allow_failure]
    assert [job.name for job in jobs if job.timeout]


def test_the_document_for_a_cluster_is_valid() -> None:
    document = parse((EXAMPLES / "kubernetes.yaml").read_bytes(), media_type="application/yaml", limits=Limits())

    assert document.stages == ("build", "deploy")
    assert [(job.stage, job.kind) for job in document.jobs] == [
        ("build", "K8S/Job"), ("build", "K8S/Job"), ("deploy", "K8S/Deployment"),
    ]  # fmt: skip
    # Whoever tries it has nothing but the runner's own namespace.
    assert not any("namespace" in job.params or "service_account" in job.params for job in document.jobs)
