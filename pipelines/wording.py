"""Our words for what is wrong with a value: pydantic finds it, this page says it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]

MANY = 1000
"""Mistakes within one value beyond which they are counted instead of listed."""
_SHOWN = 60
_NAME_LENGTH = 255
_PATTERNS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what is wrong and what was expected.

    `wants_quotes` marks a number or the like that stands where a string was expected, as when quotes were forgotten.
    """

    path: Path
    detail: str
    wants_quotes: bool = False
    place: tuple[int, int] | None = None
    """Line and column, where the path alone would lead elsewhere, as for the second of two equal keys."""
    spoils: bool = False
    """Whether the value is of no use, so that whatever else is found wrong with it follows from this."""


def matching(pattern: str, *, otherwise: str) -> Any:
    """Return the field of a text that must match, and remember what to say of one that does not.

    For what every text of a large document is held against: pydantic's own engine looks, and calls no Python.
    """
    _PATTERNS[pattern] = otherwise
    return Field(pattern=pattern)


def quoted(text: str) -> str:
    """Return the text as messages show it: short, on one line, encodable."""
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f"'{json.dumps(_encodable(shown), ensure_ascii=False)[1:-1]}'"


def describe(value: object) -> str:
    """Return what a value is, as messages name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    return "a list" if isinstance(value, list) else "an object"


def pointer(path: Path) -> str:
    """Return the JSON Pointer (RFC 6901) of a path; keys too long to be anybody's field end it early."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, str) and len(part) > _NAME_LENGTH:
            break
        parts.append("/" + _encodable(str(part)).replace("~", "~0").replace("/", "~1"))
    return "".join(parts)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def suggestion(name: str, *, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant."""
    if len(name) > _NAME_LENGTH:
        return None
    folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def unknown_field(name: str, *, known: Collection[str]) -> str:
    """Say that a field does not exist, and which was probably meant or which there are."""
    meant = suggestion(name, known=known)
    if meant:
        return f"{quoted(name)} is not a known field: did you mean {quoted(meant)}?"
    there_is = f"; there is {', '.join(known)}" if known else ""
    return f"{quoted(name)} is not a known field: remove it{there_is}"


def translate(error: ValidationError, *, value: Any, model: type[BaseModel]) -> list[Problem]:
    """Return what pydantic found wrong with the value as problems at places that exist in it."""
    if error.error_count() > MANY:
        return [Problem((), f"holds {error.error_count()} mistakes, too many to list: correct what repeats first")]
    found = [
        _Finding.of(details, value=value)
        for details in error.errors(include_url=False)
        if details["type"] != "string_unicode"  # half a surrogate pair, which whoever reads documents has reported
    ]
    misspelt = {
        (*each.path[:-1], suggestion(str(each.path[-1]), known=_fields_at(model, each.path[:-1])))
        for each in found
        if each.details["type"] == "extra_forbidden"
    }
    places = groupby(_settled(found), key=lambda each: (each.path, each.of_key))
    problems = [
        (group[0].details["type"], _problem(group, model=model)) for group in (list(each) for _, each in places)
    ]
    # A misspelt field is not missing as well.
    return [problem for kind, problem in problems if kind != "missing" or problem.path not in misspelt]


@dataclass(frozen=True, slots=True)
class _Finding:
    details: ErrorDetails
    path: Path
    branch_of: Path | None
    """The place of the union of which this is one branch's verdict."""
    of_key: bool
    """Whether the key at the place is wrong, not its value."""

    @classmethod
    def of(cls, details: ErrorDetails, *, value: Any) -> _Finding:
        """Find the place in the value: pydantic's locations also name union branches and keys."""
        path: Path = ()
        branch_of: Path | None = None
        for part in details["loc"]:
            if _holds(value, part):
                value = value[part]
            elif not (details["type"] == "missing" and part == details["loc"][-1]):
                branch_of = path if branch_of is None else branch_of
                continue
            path = (*path, part)
        of_key = details["loc"][-1:] == ("[key]",)
        return cls(details, path, branch_of=None if of_key else branch_of, of_key=of_key)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _settled(found: list[_Finding]) -> Iterator[_Finding]:
    """Leave out the branches of a union that the value was not meant for: another got further into it."""
    entered = {each.branch_of for each in found if each.branch_of is not None and len(each.path) > len(each.branch_of)}
    return (each for each in found if each.branch_of is None or each.path != each.branch_of or each.path not in entered)


def _problem(found: list[_Finding], *, model: type[BaseModel]) -> Problem:
    details, path = found[0].details, found[0].path
    kind, given = details["type"], details["input"]
    if kind == "extra_forbidden":
        return Problem(path, unknown_field(str(path[-1]), known=_fields_at(model, path[:-1])))
    if kind == "missing":
        return Problem(path, f"{quoted(str(path[-1]))} is required")
    if kind == "value_error":
        return Problem(path, str(details["ctx"]["error"]))
    if kind == "string_pattern_mismatch" and (words := _PATTERNS.get(details["ctx"]["pattern"])):
        return Problem(path, words)
    # A branch of the value's own type knows better what is wrong than those of other types.
    telling = [each for each in found if not each.details["type"].endswith("_type")] or found
    expected = " or ".join(dict.fromkeys(_expected(each.details) for each in telling)).replace(" or be ", " or ")
    strings = any(each.details["type"] == "string_type" for each in telling)
    subject = "its name " if found[0].of_key else ""
    return Problem(
        path,
        f"{subject}must {expected}, not {_given(telling[0].details)}{_hint(kind, given)}",
        wants_quotes=strings and isinstance(given, int | float),
    )


_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda _: "be a string",
    "int_type": lambda _: "be an integer",
    "float_type": lambda _: "be a number",
    "bool_type": lambda _: "be true or false",
    "list_type": lambda _: "be a list",
    "dict_type": lambda _: "be an object",
    "model_type": lambda _: "be an object",
    "none_required": lambda _: "be null",
    "greater_than_equal": lambda ctx: f"be at least {ctx['ge']}",
    "less_than_equal": lambda ctx: f"be at most {ctx['le']}",
    "string_too_short": lambda ctx: f"have at least {_counted(ctx['min_length'], 'character')}",
    "string_too_long": lambda ctx: f"have at most {_counted(ctx['max_length'], 'character')}",
    "too_short": lambda ctx: f"hold at least {_counted(ctx['min_length'], 'item')}",
    "too_long": lambda ctx: f"hold at most {_counted(ctx['max_length'], 'item')}",
}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _expected(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind in ("too_short", "too_long") and isinstance(details["input"], str):
        kind = f"string_{kind}"  # as where a length is asked for after a validator of ours
    say = _EXPECTED.get(kind)
    return say(details.get("ctx", {})) if say else details["msg"].removeprefix("Input should ")


def _given(details: ErrorDetails) -> str:
    if details["type"] in ("string_too_short", "string_too_long", "too_short", "too_long"):
        return str(len(details["input"]))
    return describe(details["input"])


def _hint(kind: str, given: Any) -> str:
    """Say what to do where the string given reads like the value expected."""
    if not isinstance(given, str):
        return ""
    if kind == "bool_type" and given.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
        return ": write true or false, without quotes"
    if kind in ("int_type", "float_type") and given.strip().lstrip("+-").isdecimal():
        return ": remove the quotes"
    return ""


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the fields of the model nested at the path, as far as that is one model."""
    for part in path:
        if isinstance(part, str):
            field = model.model_fields.get(part)
            nested = list(_models_in(field.annotation)) if field else []
            if len(nested) != 1:
                return []
            model = nested[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
