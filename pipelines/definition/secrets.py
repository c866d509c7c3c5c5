"""Checking what params refer to: secrets of the client, whose names the caller knows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from pipelines import references
from pipelines.definition.problems import Problems
from pipelines.wording import Path, Problem, quoted, suggestion

SecretNames = Callable[[], Collection[str]]
"""Returns the names there are; asked once something refers to one, then again and again: let it remember."""

# Beyond so many mistakes nobody is told what was probably meant: to find that out takes longer than all the rest.
_SUGGESTIONS = 10


def check_references(params: Any, *, names: SecretNames, problems: Problems, under: Path) -> None:
    """Report every reference to a secret that does not exist, and what was meant as one and is none."""
    for inside, used, is_right in references.uses_in(params):
        path = (*under, *inside)
        known = names()
        for name in dict.fromkeys(used):
            if name not in known and not problems.skips(path):
                problems.add(Problem(path, _unknown(name, known=known if problems.total < _SUGGESTIONS else ())))
        if not is_right and not problems.skips(path):
            problems.add(Problem(path, "must refer to a secret as ${{ secrets.NAME }}: letters, digits and '_'"))


def _unknown(name: str, *, known: Collection[str]) -> str:
    meant = suggestion(name, known=known)
    if meant:
        return f"there is no secret {quoted(name)}: did you mean {quoted(meant)}?"
    return f"there is no secret {quoted(name)}: add it first, with PUT me/secrets/NAME/"
