"""One JSON Schema (draft 2020-12) of a whole document: what `parse` accepts, as far as JSON Schema can say it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from semver import Version

from pipelines.definition.fields import END, DocumentFields, Fields, JobFields
from pipelines.kinds import Kind, Registry, SchemaGenerator, parse_version
from pipelines.kinds import registry as site_registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+"
_SUFFIX = rf"(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?(?:\+{_BUILD}(?:\.{_BUILD})*)?"


def document_schema(*, max_jobs: int, registry: Registry = site_registry) -> dict[str, Any]:
    """Return the schema of a document, its jobs' params described by their kind and version."""
    schema = _schema(DocumentFields)
    schema["properties"]["jobs"] |= {"maxItems": max_jobs, "items": {"$ref": "#/$defs/Job"}}
    kinds = list(_usable(registry))
    definitions = {"Job": _job(kinds)}
    for kind in kinds:
        definitions |= _definitions(kind)
    return {"$schema": DIALECT, **schema, "title": "Pipeline", "$defs": definitions}


def version_pattern(newest: Version) -> str:
    """Return the pattern of the versions that the newest of a major can run: that major's, up to itself."""
    older_minor = rf"{_up_to(newest.minor - 1)}\.{_NUMBER}"
    same_minor = rf"{newest.minor}\.{_up_to(newest.patch)}"
    return rf"{newest.major}\.(?:{f'{older_minor}|' if newest.minor else ''}{same_minor}){_SUFFIX}"


def _up_to(number: int) -> str:
    return f"(?:{'|'.join(str(each) for each in range(number + 1))})"


def _usable(registry: Registry) -> Iterator[Kind]:
    """Yield the newest kind of each name and major: the only ones to which versions resolve."""
    for _, same in groupby(registry.kinds(), key=lambda kind: (kind.name, parse_version(kind.version).major)):
        *_, newest = same
        yield newest


def _schema(model: type[Fields]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=SchemaGenerator)


def _job(kinds: list[Kind]) -> dict[str, Any]:
    job = _schema(JobFields)
    job["properties"]["kind"] = {
        "enum": list(dict.fromkeys(kind.name for kind in kinds)),
        "description": job["properties"]["kind"]["description"],
    }
    job["properties"]["version"]["examples"] = list(dict.fromkeys(kind.version for kind in kinds))
    job["allOf"] = [
        {
            "if": {"required": ["kind"], "properties": {"kind": {"const": name}}},
            "then": _then(list(of_name)),
        }
        for name, of_name in groupby(kinds, key=lambda kind: kind.name)
    ]
    return job | {"title": "Job"}


def _then(majors: list[Kind]) -> dict[str, Any]:
    """Say which versions of one kind there are, and for each major what its params are."""
    patterns = [version_pattern(parse_version(kind.version)) for kind in majors]
    return {
        "properties": {"version": {"pattern": f"^(?:{'|'.join(patterns)}){END}"}},
        "allOf": [
            {
                "if": {"required": ["version"], "properties": {"version": {"pattern": f"^{pattern}{END}"}}},
                "then": {"properties": {"params": {"$ref": f"#/$defs/{_key(kind)}"}}},
            }
            for kind, pattern in zip(majors, patterns, strict=True)
        ],
    }


def _key(kind: Kind) -> str:
    # A slash would be read as a step of the JSON Pointer that refers to it.
    return f"{kind.name.replace('/', '.')}-{kind.version}"


def _definitions(kind: Kind) -> dict[str, Any]:
    """Return the kind's schema and, renamed so that no two kinds meet, the definitions it refers to."""
    prefix = _key(kind)
    schema = _renamed(kind.schema(), prefix=prefix)
    inner = schema.pop("$defs", {})
    title = {"title": f"{kind} params", "examples": [dict(kind.example)]}
    return {prefix: schema | title, **{f"{prefix}.{name}": definition for name, definition in inner.items()}}


def _renamed(schema: Any, *, prefix: str) -> Any:
    if isinstance(schema, list):
        return [_renamed(item, prefix=prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/$defs/{prefix}.{item.removeprefix('#/$defs/')}"
        if key == "$ref" and isinstance(item, str) and item.startswith("#/$defs/")
        else _renamed(item, prefix=prefix)
        for key, item in schema.items()
    }
