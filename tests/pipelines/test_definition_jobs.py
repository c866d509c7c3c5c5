"""Single jobs and changes: the same rules as for those in a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.definition import DocumentErrors, JobSpec, parse_job, parse_job_changes, parse_pipeline_changes
from pipelines.kinds import Kind, Params, Registry
from tests.pipelines.documents import document, job, refused


def refusal_of(call: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as refusal:
        call()
    return {error.pointer: error.detail for error in refusal.value.errors}


def change(value: object) -> dict[str, Any]:
    return parse_job_changes(value, kind="Shell", version="1.0.0")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 5},
        {"name": "a\n"},
        {"kind": "shell"},
        {"version": "9.0.0"},
        {"version": 1.0},
        {"timout": 5},
        {"priority": -1, "retry_attempt": True},
        {"params": {}},
        {"params": {"command": 5}},
    ],
)
def test_a_single_job_meets_the_same_mistakes_as_one_in_a_document(wrong: dict[str, Any]) -> None:
    found = refusal_of(lambda: parse_job(job(**wrong)))

    assert {f"/jobs/0{pointer}": detail for pointer, detail in found.items()} == refused(document(job(**wrong)))


@pytest.mark.parametrize("value", [None, [], "job", 5])
def test_a_job_that_is_no_object_is_refused(value: object) -> None:
    assert list(refusal_of(lambda: parse_job(value))) == [""]
    assert list(refusal_of(lambda: change(value))) == [""]
    assert list(refusal_of(lambda: parse_pipeline_changes(value))) == [""]


def test_a_single_job_is_resolved_and_pinned() -> None:
    assert parse_job(job(version="1.0.0-rc.1", timeout=5)) == JobSpec(**job(timeout=5))


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"name": "\0"}, "/name"),
        ({"name": "\ud800"}, "/name"),
        ({"params": {"command": "a", "env": {"A": "\ud800"}}}, "/params/env/A"),
        ({"params": {"command": "a", "env": {"A\ud800": "x"}}}, "/params/env/A?"),
        ({"priority": 2**63}, "/priority"),
        ({"timeout": float("nan")}, "/timeout"),
        ({"params": {"command": b"x"}}, "/params/command"),
        ({"params": {1: "x", "command": "x"}}, "/params/1"),
    ],
)
def test_values_nobody_can_keep_are_refused_however_they_were_read(value: dict[str, Any], pointer: str) -> None:
    assert list(refusal_of(lambda: parse_job(job(**value)))) == [pointer]


def test_a_value_nested_too_deep_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]

    assert "nested deeper" in str(refusal_of(lambda: parse_job(job(params={"command": "x", "env": deep}))).values())


def test_changes_are_only_what_was_given() -> None:
    assert change({"priority": 3, "timeout": None}) == {"priority": 3, "timeout": None}
    assert change({}) == {}


def test_params_are_changed_by_the_rules_of_the_kind() -> None:
    assert change({"params": {"command": "x"}}) == {"params": {"command": "x"}}
    assert refusal_of(lambda: change({"params": {}})) == {"/params/command": "'command' is required"}
    assert list(refusal_of(lambda: change({"params": None}))) == ["/params"]


@pytest.mark.parametrize("field", ["name", "stage", "kind", "version", "state", "retry"])
def test_other_fields_of_a_job_cannot_be_changed(field: str) -> None:
    assert list(refusal_of(lambda: change({field: "x", "priority": 3}))) == [f"/{field}"]


def test_all_mistakes_in_changes_come_together_in_order() -> None:
    found = refusal_of(lambda: change({"timeout": "5", "prority": 1, "params": {"command": 5}, "allow_failure": None}))

    assert list(found) == ["/timeout", "/prority", "/params/command", "/allow_failure"]


def test_params_of_a_kind_that_is_gone_cannot_be_changed() -> None:
    found = refusal_of(lambda: parse_job_changes({"params": {}}, kind="Gone", version="1.0.0"))

    assert found == {"/params": "there is no kind 'Gone'; there is K8S/Deployment, K8S/Job, Shell"}
    assert parse_job_changes({"priority": 1}, kind="Gone", version="1.0.0") == {"priority": 1}


class NarrowParams(Params):
    colour: str


class WideParams(NarrowParams):
    coats: int = 1


def paint(version: str, params_model: type[Params]) -> type[Kind]:
    attributes = {"name": "Paint", "version": version, "runner_type": "server", "params_model": params_model}
    return type("Paint", (Kind,), attributes)


def test_params_are_changed_by_the_version_pinned_with_the_job_not_a_newer_one() -> None:
    registry = Registry()
    registry.register(paint("1.0.0", NarrowParams))
    registry.register(paint("1.1.0", WideParams))
    wide = {"params": {"colour": "red", "coats": 2}}

    assert parse_job_changes(wide, kind="Paint", version="1.1.0", registry=registry) == wide
    found = refusal_of(lambda: parse_job_changes(wide, kind="Paint", version="1.0.0", registry=registry))
    assert list(found) == ["/params/coats"]


def test_a_pipeline_is_changed_by_the_rules_of_the_document() -> None:
    assert parse_pipeline_changes({"name": "x", "labels": {"a": "b"}, "priority": 0}) == {
        "name": "x", "labels": {"a": "b"}, "priority": 0,
    }  # fmt: skip
    assert parse_pipeline_changes({"name": None}) == {"name": ""}
    assert list(refusal_of(lambda: parse_pipeline_changes({"labels": {"a": 1}, "priority": "1", "stages": []}))) == [
        "/labels/a", "/priority", "/stages",
    ]  # fmt: skip
