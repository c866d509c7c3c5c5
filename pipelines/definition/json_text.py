"""Reading JSON: one strict document within bounds, or why not."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pipelines.definition.errors import too_deep, too_many_nodes, unreadable
from pipelines.definition.limits import Limits
from pipelines.definition.problems import Problems
from pipelines.definition.values import TOO_LARGE, Repeated, unusable

# Escapes of NUL and of surrogates; those of a whole pair are let through by the closer look.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SHORT_INTEGER = 18  # digits and sign that fit 64 bits whatever they are
_SPACE = b" \t\r\n"
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"[]{},:')
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def load_json(body: bytes, *, text: str, limits: Limits) -> tuple[Any, Problems]:
    """Return the value and what in it cannot be used; raise DocumentErrors for what cannot be read."""
    _check_bounds(body, limits=limits)
    reader = _Reader()
    try:
        value = reader.decode(text)
    except json.JSONDecodeError as error:
        raise unreadable(f"this is not valid JSON: {error.msg}", at=(error.lineno, error.colno)) from error
    problems = Problems()
    if reader.suspicious or _SUSPICIOUS.search(text):
        for problem in unusable(value, max_depth=limits.max_depth):
            problems.add(problem)
    return value, problems


class _Reader:
    """The strict decoder of the standard library, noting what needs a closer look."""

    def __init__(self) -> None:
        self.suspicious = False
        self.decode = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._constant,
        ).decode

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        self.suspicious = True
        return Repeated(pairs)

    def _integer(self, digits: str) -> int:
        if len(digits) <= _SHORT_INTEGER:
            return int(digits)
        self.suspicious = True
        return int(digits) if len(digits) <= 20 else TOO_LARGE

    def _float(self, text: str) -> float:
        value = float(text)
        self.suspicious |= not math.isfinite(value)
        return value

    def _constant(self, name: str) -> float:
        self.suspicious = True
        return math.nan


def _check_bounds(body: bytes, *, limits: Limits) -> None:
    """Refuse what nests too deep for the decoder's recursion, or holds too much, without decoding it."""
    # Without escaped backslashes, then without escaped quotes, the quotes left are where strings begin and end.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * limits.max_nodes:
        raise too_many_nodes(limits)  # found before a list of them is made
    # Most strings have nothing in them that looks like structure: without them few are left to be cut out.
    structure = _outside_strings(bare.translate(None, delete=_NOT_STRUCTURE).replace(b'""', b""))
    nodes = 1 + sum(structure.count(mark) for mark in (b",", b":", b"[", b"{"))
    if nodes > limits.max_nodes and nodes - _empty(bare) > limits.max_nodes:
        raise too_many_nodes(limits)
    depth = 0
    for bracket in structure.translate(None, delete=_NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limits.max_depth:
            raise too_deep(limits)
        if depth < 0:
            return  # not JSON, as the decoder will find


def _outside_strings(text: bytes) -> bytes:
    return b'"'.join(text.split(b'"')[::2])


def _empty(bare: bytes) -> int:
    """Return how many lists and objects have nothing in them: each was counted as if it had one value."""
    structure = _outside_strings(bare.translate(None, delete=_SPACE))
    return structure.count(b"[]") + structure.count(b"{}")
