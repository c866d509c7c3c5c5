"""Documents for tests, and what parsing says about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.definition import Document, DocumentError, DocumentErrors, Limits, load, parse

LIMITS = Limits(max_jobs=50)


def job(**changes: Any) -> dict[str, Any]:
    fields = {"name": "one", "stage": "build", "kind": "Shell", "version": "1.0.0", "params": {"command": "true"}}
    return {**fields, **changes}


def document(*jobs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"stages": ["build"], "jobs": list(jobs) or [job()], **changes}


def parse_value(value: object) -> Document:
    return parse_json(json.dumps(value))


def parse_json(text: str | bytes) -> Document:
    body = text.encode() if isinstance(text, str) else text
    return parse(body, media_type="application/json", limits=LIMITS)


def parse_yaml(text: str | bytes) -> Document:
    body = text.encode() if isinstance(text, str) else text
    return parse(body, media_type="application/yaml", limits=LIMITS)


def refused_json(text: str | bytes) -> tuple[DocumentError, ...]:
    with pytest.raises(DocumentErrors) as refusal:
        parse_json(text)
    return refusal.value.errors


def refused_yaml(text: str | bytes) -> tuple[DocumentError, ...]:
    with pytest.raises(DocumentErrors) as refusal:
        parse_yaml(text)
    return refusal.value.errors


def refused(value: object) -> dict[str, str]:
    """Return the details of a refused document by pointer, and see that no pointer comes twice."""
    errors = refused_json(json.dumps(value))
    found = {error.pointer: error.detail for error in errors}
    assert len(found) == len(errors)
    return found


YAML = """\
stages: [build]
jobs:
- name: one
  stage: build
  kind: Shell
  version: 1.0.0
  params:
    command: make
"""


def yaml_value(text: str) -> Any:
    return load(text.encode(), media_type="application/yaml", limits=LIMITS)


def yaml_places(text: str) -> list[tuple[str, int | None, int | None]]:
    return [(error.pointer, error.line, error.column) for error in refused_yaml(text)]
