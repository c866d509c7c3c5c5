"""The registry of kinds: what is registered, which version runs a job, and what the system checks say."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from django.apps import apps
from pydantic import Field

from pipelines import kinds
from pipelines.checks import check_kinds
from pipelines.kinds import (
    InvalidVersion,
    Kind,
    KindAlreadyRegistered,
    Params,
    Registry,
    UnknownKind,
    UnknownVersion,
)


class Port(Params):
    number: int = Field(ge=1)


class PaintParams(Params):
    colour: str
    coats: int = 1
    ports: list[Port] = []
    size: int | str = 1


def paint(version: str, **attributes: Any) -> type[Kind]:
    body = {
        "name": "Paint",
        "version": version,
        "runner_type": "server",
        "summary": "Paint it.",
        "params_model": PaintParams,
        "example": {"colour": "red"},
        **attributes,
    }
    return type("Paint", (Kind,), body)


def registry(*versions: str) -> Registry:
    made = Registry()
    for version in versions:
        made.register(paint(version))
    return made


def test_registering_a_version_twice_is_refused() -> None:
    made = registry("1.0.0")

    with pytest.raises(KindAlreadyRegistered, match=r"Paint 1\.0\.0"):
        made.register(paint("1.0.0"))


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "01.0.0", "", "1.0.0-rc.1", "1.0.0+build", "1.0.0\n"])
def test_a_kind_is_registered_under_a_plain_semantic_version(version: str) -> None:
    with pytest.raises(InvalidVersion):
        registry(version)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("1.0.0", "1.10.0"),
        ("1.2.0", "1.10.0"),
        ("1.9.9", "1.10.0"),
        ("1.10.0", "1.10.0"),
        ("1.10.0-rc.1", "1.10.0"),
        ("1.0.0+build.5", "1.10.0"),
        ("2.0.0", "2.0.1"),
        ("2.0.1", "2.0.1"),
    ],
)
def test_a_job_runs_on_the_newest_version_of_its_major(wanted: str, found: str) -> None:
    made = registry("1.2.0", "2.0.1", "1.10.0", "1.9.0")

    assert made.resolve("Paint", wanted).version == found


@pytest.mark.parametrize("wanted", ["1.10.1", "1.11.0", "2.0.2", "2.1.0", "3.0.0", "0.9.0"])
def test_a_newer_version_or_another_major_is_refused_with_those_there_are(wanted: str) -> None:
    made = registry("1.2.0", "2.0.1", "1.10.0")

    with pytest.raises(UnknownVersion, match=r"there is 1\.2\.0, 1\.10\.0, 2\.0\.1$"):
        made.resolve("Paint", wanted)


@pytest.mark.parametrize(
    "wanted", ["", "1", "1.0", "1.0.0.0", "latest", "^1.0.0", "1.0.0 ", "1.x", "1.0." + "9" * 5000, "\u0661.0.0"]
)
def test_what_is_no_semantic_version_is_refused(wanted: str) -> None:
    with pytest.raises(InvalidVersion, match="is not a semantic version"):
        registry("1.0.0").resolve("Paint", wanted)


@pytest.mark.parametrize("name", ["paint", "PAINT", "Pain", "Paints"])
def test_an_unknown_kind_is_refused_with_the_one_meant(name: str) -> None:
    with pytest.raises(UnknownKind, match=r"did you mean 'Paint'\?$"):
        registry("1.0.0").resolve(name, "1.0.0")


def test_an_unknown_kind_like_no_other_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownKind, match=r"there is Paint$"):
        registry("1.0.0").resolve("x" * 10_000, "1.0.0")


def test_a_version_registered_later_is_found() -> None:
    made = registry("1.0.0")
    assert made.resolve("Paint", "1.0.0").version == "1.0.0"

    made.register(paint("1.1.0"))

    assert made.resolve("Paint", "1.0.0").version == "1.1.0"


def test_a_pinned_version_is_found_as_it_is() -> None:
    made = registry("1.0.0", "1.1.0")

    pinned = made.get("Paint", "1.0.0")

    assert pinned is not None and pinned.version == "1.0.0"
    assert made.get("Paint", "1.2.0") is None
    assert made.get("Print", "1.0.0") is None


def test_kinds_and_versions_are_listed_in_order() -> None:
    made = registry("1.10.0", "1.9.0")

    assert [str(kind) for kind in made.kinds()] == ["Paint 1.9.0", "Paint 1.10.0"]
    assert made.versions("Paint") == ["1.9.0", "1.10.0"]
    assert made.versions("Print") == []


def problems(params: dict[str, Any]) -> dict[tuple[Any, ...], str]:
    return {problem.path: problem.detail for problem in paint("1.0.0")().problems(params)}


def test_all_problems_of_params_are_found() -> None:
    assert problems({"coats": True, "ports": [{"number": 0}, {"nmber": 1}, {"number": 1, "x": 1}], "size": 1.5}) == {
        ("colour",): "'colour' is required",
        ("coats",): "must be an integer, not true",
        ("ports", 0, "number"): "must be at least 1, not the number 0",
        ("ports", 1, "nmber"): "'nmber' is not a known field: did you mean 'number'?",
        ("ports", 2, "x"): "'x' is not a known field: remove it; there is number",
        ("size",): "must be an integer or a string, not the number 1.5",
    }


def test_problems_without_number_are_counted_not_listed() -> None:
    (problem,) = paint("1.0.0")().problems({"colour": "red", "ports": [5] * 2000})

    assert problem.path == ()
    assert "2000 mistakes" in problem.detail


def test_valid_params_have_no_problems() -> None:
    assert problems({"colour": "red", "ports": [{"number": 1}], "size": "XL"}) == {}


def test_the_kinds_of_installed_apps_are_found() -> None:
    assert apps.is_installed("runners")
    assert kinds.resolve("Shell", "1.0.0") in kinds.kinds()


def test_the_kinds_that_come_with_the_service_pass_the_checks() -> None:
    assert check_kinds() == []


class NoSchema(Kind):
    name = "NoSchema"
    version = "1.0.0"
    runner_type = "server"
    summary = "Has a schema of something else."
    example: ClassVar[dict[str, Any]] = {}

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def problems(self, params: Any) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (paint("1.0.0", runner_type="mainframe"), "pipelines.E001"),
        (NoSchema, "pipelines.E002"),
        (paint("1.0.0", example={"color": "red"}), "pipelines.E003"),
        (paint("1.0.0", example={"colour": 5}), "pipelines.E003"),
    ],
)
def test_a_kind_that_cannot_be_offered_fails_the_checks(
    kind: type[Kind], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Registry()
    made.register(kind)
    monkeypatch.setattr(kinds, "kinds", made.kinds)

    assert [error.id for error in check_kinds()] == [found]
