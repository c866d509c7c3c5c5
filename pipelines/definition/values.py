"""What JSON, PostgreSQL and runners in any language can hold: anything else is refused wherever it stands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.wording import Path, Problem, quoted

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
TOO_LARGE = 2**64
"""Stands for an integer of so many digits that it is not worth converting."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Repeated(dict[str, Any]):
    """An object that had some of its keys twice; the first value of each is kept."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.repeated: list[str] = []
        for key, value in pairs:
            if key in self:
                self.repeated.append(key)
            else:
                self[key] = value


def repeated_key(key: str) -> str:
    return f"the key {quoted(key)} is in this object already: keep one of them"


def unusable_scalar(value: object) -> str:
    """Say why the value cannot be kept as it is; nothing if it can."""
    if isinstance(value, str):
        found = _UNSTORABLE.search(value)
        if found:
            what = "a NUL character" if found[0] == "\0" else "half of a surrogate pair"
            return f"must not contain {what}: it cannot be stored"
    elif isinstance(value, float):
        if not math.isfinite(value):
            return "must be a finite number: JSON has no infinity and no NaN"
    elif isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            return "must be an integer of at most 64 bits: put a longer number in quotes"
    elif value is not None:
        return f"must be a JSON value, not {type(value).__name__}"
    return ""


def unusable(value: object, *, max_depth: int, path: Path = ()) -> Iterator[Problem]:
    """Yield a problem for every value and key within that cannot be kept as it is."""
    if isinstance(value, list | Mapping):
        if len(path) >= max_depth:
            yield Problem(path, f"is nested deeper than {max_depth} levels", spoils=True)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from unusable(item, max_depth=max_depth, path=(*path, index))
        else:
            yield from _unusable_entries(value, max_depth=max_depth, path=path)
    elif detail := unusable_scalar(value):
        yield Problem(path, detail, spoils=True)


def _unusable_entries(value: Mapping[Any, object], *, max_depth: int, path: Path) -> Iterator[Problem]:
    if isinstance(value, Repeated):
        for key in value.repeated:
            yield Problem((*path, key), repeated_key(key))
    for key, item in value.items():
        if not isinstance(key, str):
            yield Problem((*path, str(key)), "a key must be a string", spoils=True)
        elif detail := unusable_scalar(key):
            yield Problem((*path, key), f"a key {detail}", spoils=True)
        yield from unusable(item, max_depth=max_depth, path=(*path, key))
