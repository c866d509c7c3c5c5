"""The JSON Schema of a document accepts what parsing accepts, as far as JSON Schema can say it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from semver import Version

from pipelines.definition import DocumentErrors, Limits, parse
from pipelines.definition.schema import document_schema, version_pattern
from pipelines.kinds import Kind, Params, Registry
from tests.pipelines.documents import LIMITS, document, job, refused


class Nested(Params):
    number: int


class PaintParams(Params):
    colour: str
    nested: Nested | None = None


class WideParams(PaintParams):
    coats: int = 1


def kind(name: str, version: str, params_model: type[Params]) -> type[Kind]:
    body = {
        "name": name,
        "version": version,
        "runner_type": "server",
        "summary": "Paint it.",
        "params_model": params_model,
        "example": {"colour": "red"},
    }
    return type("Paint", (Kind,), body)


@pytest.fixture(name="paints")
def paints_fixture() -> Registry:
    registry = Registry()
    registry.register(kind("Wall/Paint", "1.0.0", PaintParams))
    registry.register(kind("Wall/Paint", "1.2.3", WideParams))
    registry.register(kind("Wall/Paint", "2.0.0", PaintParams))
    return registry


VALIDATOR = Draft202012Validator(document_schema(max_jobs=LIMITS.max_jobs))

SAYABLE: list[Any] = [
    None,
    [],
    {},
    document(stages=[]),
    document(stages=["build", "build"]),
    document(stages="build"),
    document(stages=[5]),
    document(stages=["a\n"]),
    document(jobs=[]),
    document(jobs=[5]),
    document(*(job(name=f"job-{number}") for number in range(LIMITS.max_jobs + 1))),
    document(colour="red"),
    document(name=""),
    document(name="x" * 256),
    document(priority=-1),
    document(priority=32768),
    document(priority="1"),
    document(priority=True),
    document(labels={"a=b": "x"}),
    document(labels={"a": 1}),
    document(labels={"": "x"}),
    document(labels={"k" * 64: "x"}),
    document(labels={f"k{number}": "" for number in range(65)}),
    document(callback_url="ftp://example.com"),
    document(callback_url="http:///x"),
    document(callback_url="x" * 2049),
    document(job(timout=1)),
    document(job(timeout=0)),
    document(job(timeout=31536001)),
    document(job(retry_attempt=101)),
    document(job(allow_failure="yes")),
    document(job(kind="shell")),
    document(job(version="1.0")),
    document(job(version=1.0)),
    document(job(version="1.0.1")),
    document(job(version="2.0.0")),
    document(job(version="1.0.0-01")),
    document(job(version="1.0.0\n")),
    document(job(params={})),
    document(job(params={"command": 5})),
    document(job(params=[])),
    document(job(name=None)),
]
TAKEN: list[Any] = [
    document(),
    document(name=None, callback_url=None),
    document(job(timeout=None, version="1.0.0-rc.1+b")),
    document(name="Việc 1", priority=0, labels={"đội": ""}, callback_url="HTTPS://example.com:80/x?y#z"),
]


@pytest.mark.parametrize("value", SAYABLE)
def test_what_parsing_refuses_the_schema_refuses(value: object) -> None:
    assert refused(value)
    assert not VALIDATOR.is_valid(value)


@pytest.mark.parametrize("value", TAKEN)
def test_what_parsing_takes_the_schema_takes(value: object) -> None:
    parse(json.dumps(value).encode(), media_type="application/json", limits=LIMITS)
    assert [error.message for error in VALIDATOR.iter_errors(value)] == []


def test_the_schema_is_one_document_of_its_dialect(paints: Registry) -> None:
    schema = document_schema(max_jobs=5, registry=paints)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    references = re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema))
    assert {reference.removeprefix("#/$defs/") for reference in references} <= set(schema["$defs"])


@pytest.mark.parametrize(
    ("version", "params", "valid"),
    [
        ("1.0.0", {"colour": "red", "coats": 2}, True),
        ("1.2.3", {"colour": "red", "nested": {"number": 1}}, True),
        ("1.2.3", {"colour": "red", "nested": {"number": "1"}}, False),
        ("1.1.9", {"colour": "red", "coats": 2}, True),
        ("1.2.4", {"colour": "red"}, False),
        ("1.3.0", {"colour": "red"}, False),
        ("2.0.0", {"colour": "red"}, True),
        ("2.0.0", {"colour": "red", "coats": 2}, False),
        ("3.0.0", {"colour": "red"}, False),
    ],
)
def test_params_are_described_by_the_version_that_runs_the_job(
    paints: Registry, version: str, params: dict[str, Any], valid: bool
) -> None:
    value = document(job(kind="Wall/Paint", version=version, params=params))
    validator = Draft202012Validator(document_schema(max_jobs=5, registry=paints))

    assert validator.is_valid(value) is valid
    body = json.dumps(value).encode()
    if valid:
        parse(body, media_type="application/json", limits=Limits(), registry=paints)
    else:
        with pytest.raises(DocumentErrors):
            parse(body, media_type="application/json", limits=Limits(), registry=paints)


def test_the_pattern_of_versions_is_exact() -> None:
    newest = Version(1, 12, 3)
    pattern = re.compile(version_pattern(newest))

    for major in range(3):
        for minor in range(15):
            for patch in (0, 2, 3, 4, 40):
                runs = major == 1 and Version(major, minor, patch) <= newest
                assert bool(pattern.fullmatch(f"{major}.{minor}.{patch}")) is runs
    assert pattern.fullmatch("1.12.3-rc.1+build.05")
    assert not pattern.fullmatch("1.012.3")
