"""What a plain YAML scalar means: the core schema of YAML 1.2, to the letter."""

from __future__ import annotations

import re

from pipelines.definition.values import TOO_LARGE

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST = 100  # beyond any number of 64 bits, leading zeros included


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar: null, a boolean, a number or else the text itself."""
    if text[:1] in _NUMBER_STARTS:
        if _INTEGER.fullmatch(text):
            return int(text) if len(text) <= _LONGEST else TOO_LARGE
        if _BASED.fullmatch(text):
            return int(text, 0) if len(text) <= _LONGEST else TOO_LARGE
        if _FLOAT.fullmatch(text):
            return float(text)
    return _WORDS.get(text, text)
