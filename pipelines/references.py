"""References to secrets in params: `${{ secrets.NAME }}` in any text within, at any depth; keys are no place for one.

Pure: who knows which secrets there are hands them in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.wording import Path

OPENING = "${{"
"""Without it in it a text refers to nothing."""

_DEEPEST = 100
_REFERENCE = re.compile(r"\$\{\{[ \t]*secrets\.([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}")
_ATTEMPTED = re.compile(r"\$\{\{\s*secrets\b")


def names_in(value: Any) -> set[str]:
    """Return the names of the secrets that a JSON value refers to."""
    return {name for _, text in _texts(value, path=()) for name in _REFERENCE.findall(text)}


def uses_in(value: Any) -> Iterator[tuple[Path, list[str], bool]]:
    """Yield each text within that refers to secrets: its place, their names, and whether no reference is malformed."""
    for path, text in _texts(value, path=()):
        names = _REFERENCE.findall(text)
        tried = len(_ATTEMPTED.findall(text))
        if tried:
            yield path, names, tried == len(names)


def filled(value: Any, *, values: Mapping[str, str]) -> Any:
    """Return the JSON value with each reference replaced by its secret's value; raise KeyError for one not given.

    What a secret itself holds is taken as it is: nothing in it refers to anything.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: values[found[1]], value) if OPENING in value else value
    if isinstance(value, Mapping):
        return {name: filled(item, values=values) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values=values) for item in value]
    return value


def inserted_bytes(value: Any, *, values: Mapping[str, str]) -> int:
    """Return how many bytes filling would put in, before it is done: a value may be long and referred to often."""
    sizes = {name: len(text.encode()) for name, text in values.items()}
    return sum(sizes.get(name, 0) for _, text in _texts(value, path=()) for name in _REFERENCE.findall(text))


def _texts(value: Any, *, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the texts within that may hold a reference, each with its place."""
    if len(path) > _DEEPEST:  # no params nest deeper, and what is refused for it must not exhaust the stack
        return
    if isinstance(value, str):
        if OPENING in value:
            yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, path=(*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, path=(*path, index))
