"""Hold JSON against the published Kubernetes OpenAPI types, as the official client's models carry them.

Strict where the client is not: unknown fields, wrong JSON types and missing required fields are all mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import kubernetes.client.models as models
from kubernetes.client import Configuration

_LIST = re.compile(r"list\[(.+)\]")
_DICT = re.compile(r"dict\[str, (.+)\]")
_PLAIN: Mapping[str, type | tuple[type, ...]] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def mistakes(value: object, type_name: str, *, partial: bool = False) -> list[str]:
    """What breaks the type, each with its path; `partial` is for patches, where nothing is required."""
    return list(_mistakes(value, type_name, path="", partial=partial))


def _mistakes(value: object, kind: str, *, path: str, partial: bool) -> Iterator[str]:
    if match := _LIST.fullmatch(kind):
        if isinstance(value, list):
            for at, item in enumerate(value):
                yield from _mistakes(item, match[1], path=f"{path}[{at}]", partial=partial)
        elif value is not None or not partial:
            yield f"{path}: a list is expected, not {value!r}"
    elif match := _DICT.fullmatch(kind):
        if isinstance(value, dict):
            for key, item in value.items():
                if item is not None or not partial:  # null in a patch deletes
                    yield from _mistakes(item, match[1], path=f"{path}.{key}", partial=partial)
        elif value is not None or not partial:
            yield f"{path}: an object is expected, not {value!r}"
    elif kind == "object":
        return
    elif kind == "datetime":
        yield from _no_time(value, path=path, partial=partial)
    elif kind in _PLAIN:
        wanted = _PLAIN[kind]
        if value is None and partial:
            return
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool"):
            yield f"{path}: {kind} is expected, not {value!r}"
    else:
        yield from _model_mistakes(value, kind, path=path, partial=partial)


def _model_mistakes(value: object, kind: str, *, path: str, partial: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        if value is not None or not partial:
            yield f"{path}: {kind} is expected, not {value!r}"
        return
    fields, required = _fields(kind)
    for name, item in value.items():
        if name not in fields:
            yield f"{path}.{name}: {kind} has no such field"
        elif item is not None:  # null is absent, as everywhere in Kubernetes
            yield from _mistakes(item, fields[name], path=f"{path}.{name}", partial=partial)
    if not partial:
        for name in sorted(required):
            if value.get(name) is None:
                yield f"{path}.{name}: {kind} requires it"


def _no_time(value: object, *, path: str, partial: bool) -> Iterator[str]:
    if value is None and partial:
        return
    try:
        good = isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        good = False
    if not good:
        yield f"{path}: a time is expected, not {value!r}"


@cache
def _fields(kind: str) -> tuple[dict[str, str], frozenset[str]]:
    """The types of a model's fields by their JSON names, and the required ones."""
    model: Any = getattr(models, kind)
    names: dict[str, str] = model.attribute_map
    configuration = Configuration()
    configuration.client_side_validation = False
    empty = model(local_vars_configuration=configuration)
    configuration.client_side_validation = True
    required = set()
    for attribute, name in names.items():
        try:
            setattr(empty, attribute, None)
        except ValueError:
            required.add(name)
    return {names[attribute]: kind for attribute, kind in model.openapi_types.items()}, frozenset(required)
