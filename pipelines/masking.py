"""Params that a kind's schema marks with `x-secret: true`: shown as `***`, wherever a job is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from pipelines import kinds
from pipelines.kinds import Kind
from pipelines.wording import Path, Problem

MASK = "***"

Schema = Mapping[str, Any]
Change = Callable[[Path, Any], Any]


class Asked(Protocol):
    """What a job asks for, stored or only planned."""

    @property
    def kind(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def params(self) -> Any: ...


def shown_params(job: Asked) -> Any:
    """Return the job's params as they may be shown.

    Of a kind that this service has no more, nobody knows which are secret: none of their texts is shown.
    """
    kind = _kind_of(job)
    if kind is None:
        return _without_texts(job.params)
    return _changed(job.params, kind=kind, change=lambda *_: MASK) if kind.has_secret_params else job.params


def restored(params: Any, *, job: Asked) -> Any:
    """Return params sent to replace the job's, each `***` where something was shown so being what the job has there."""
    kind = _kind_of(job)
    if kind is None or not kind.has_secret_params:
        return params
    return _changed(
        params, kind=kind, change=lambda path, value: _found(job.params, path, value) if value == MASK else value
    )


def secret_texts(params: Any, *, kind: Kind | None) -> set[str]:
    """Return the texts and numbers among the params that are secret."""
    texts: set[str] = set()

    def note(_: Path, value: Any) -> Any:
        texts.update(_scalars(value))
        return value

    if kind is not None and kind.has_secret_params:
        _changed(params, kind=kind, change=note)
    return texts


def problems_of(params: Mapping[str, Any], *, kind: Kind) -> list[Problem]:
    """Return what is wrong with the params (Kind.problems), without the words that would quote a secret one."""
    problems = kind.problems(params)
    if not problems or not kind.has_secret_params:
        return problems
    secret: set[Path] = set()

    def note(path: Path, value: Any) -> Any:
        secret.add(path)
        return value

    _changed(params, kind=kind, change=note)
    return [_wordless(problem) if _is_within(problem.path, secret) else problem for problem in problems]


def _is_within(path: Path, places: set[Path]) -> bool:
    return any(path[:length] in places for length in range(len(path) + 1))


def _wordless(problem: Problem) -> Problem:
    return replace(
        problem, detail="is not what the kind's schema says; it is secret and not repeated", wants_quotes=False
    )


def _kind_of(job: Asked) -> Kind | None:
    """Return the job's kind in its version, or else another version's: one that was secret is seldom so no more."""
    registry = kinds.registry
    exact = registry.get(job.kind, job.version)
    if exact is not None:
        return exact
    others = registry.versions(job.kind)
    return registry.get(job.kind, others[-1]) if others else None


def _changed(params: Any, *, kind: Kind, change: Change) -> Any:
    """Return the params with each value that the kind's schema marks as secret replaced by what `change` returns."""
    root = kind.schema()
    return _walk(params, schemas=[root], root=root, path=(), change=change)


def _walk(value: Any, *, schemas: Iterable[Any], root: Schema, path: Path, change: Change) -> Any:
    applying = list(_applying(schemas, root=root))
    if any(schema.get("x-secret") is True for schema in applying):
        return change(path, value)
    if isinstance(value, Mapping):
        return {
            name: _walk(item, schemas=_of_member(applying, name), root=root, path=(*path, name), change=change)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [
            _walk(item, schemas=_of_item(applying, index), root=root, path=(*path, index), change=change)
            for index, item in enumerate(value)
        ]
    return value


def _applying(schemas: Iterable[Any], *, root: Schema) -> Iterator[Schema]:
    """Yield the schemas and all that may apply at the same place through them, whichever branch the value is of."""
    waiting, seen = list(schemas), set()
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        if isinstance(schema.get("$ref"), str):
            waiting.append(_referred(schema["$ref"], root=root))
        for name in ("allOf", "anyOf", "oneOf"):
            waiting += schema.get(name) or ()
        waiting += [schema.get(name) for name in ("if", "then", "else")]
        waiting += (schema.get("dependentSchemas") or {}).values()


def _of_member(schemas: Iterable[Schema], name: str) -> Iterator[Any]:
    for schema in schemas:
        named = schema.get("properties") or {}
        patterns = schema.get("patternProperties") or {}
        matching = [each for pattern, each in patterns.items() if _matches(pattern, name)]
        yield from matching
        if name in named:
            yield named[name]
        elif not matching:
            yield schema.get("additionalProperties")
        yield schema.get("unevaluatedProperties")


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # a schema's patterns are of another language; rather too much masked than too little
        return True


def _of_item(schemas: Iterable[Schema], index: int) -> Iterator[Any]:
    for schema in schemas:
        first = schema.get("prefixItems") or ()
        yield first[index] if index < len(first) else schema.get("items")
        yield schema.get("contains")
        yield schema.get("unevaluatedItems")


def _referred(reference: str, *, root: Schema) -> Any:
    """Return the schema that a reference within the same document leads to."""
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if reference.startswith("#") else None


def _found(value: Any, path: Path, default: Any) -> Any:
    for step in path:
        is_there = step in value if isinstance(value, Mapping) else isinstance(value, list) and int(step) < len(value)
        if not is_there:
            return default
        value = value[step]
    return value


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _scalars(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def _without_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_texts(item) for item in value]
    return MASK if isinstance(value, str) else value
