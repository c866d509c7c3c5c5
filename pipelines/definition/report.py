"""From the mistakes found to the answer: in document order, with places, the first of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pipelines.definition.errors import ERRORS_SHOWN, DocumentError, DocumentErrors
from pipelines.definition.problems import Problems
from pipelines.definition.yaml_places import Spot
from pipelines.wording import Path, Problem, pointer

Locate = Callable[[Iterable[Path]], Mapping[Path, Spot]]


def report(problems: Problems, *, value: object, locate: Locate | None = None) -> DocumentErrors:
    """Return the error that lists the problems of a value; `locate` knows where in the text they are."""
    kept = _without_consequences(problems.kept)
    spots = locate([problem.path for problem in kept]) if locate else {}
    order = _Order(value)
    entries = [(_place(problem, spot=spots.get(problem.path)), order.of(problem.path), problem) for problem in kept]
    entries.sort(key=lambda entry: entry[:2])
    errors = [
        DocumentError(pointer(problem.path), _detail(problem, spot=spots.get(problem.path)), *place)
        for place, _, problem in entries[:ERRORS_SHOWN]
    ]
    dropped = len(problems.kept) - len(kept)
    return DocumentErrors(errors, omitted=problems.total - dropped - len(errors))


def _without_consequences(problems: list[Problem]) -> list[Problem]:
    """Leave out what is wrong only because the value, or one around it, is of no use at all."""
    spoilt = {problem.path: problem for problem in reversed(problems) if problem.spoils}
    if not spoilt:
        return problems
    return [problem for problem in problems if all(spoilt.get(path, problem) is problem for path in _around(problem))]


def _around(problem: Problem) -> Iterator[Path]:
    return (problem.path[:length] for length in range(len(problem.path) + 1))


def _place(problem: Problem, *, spot: Spot | None) -> tuple[int, int] | tuple[()]:
    if spot is None:
        return ()
    return problem.place or spot.place


def _detail(problem: Problem, *, spot: Spot | None) -> str:
    if not problem.wants_quotes:
        return problem.detail
    if spot is None or not spot.is_plain:
        return f"{problem.detail}: put it in quotes"
    return f'{problem.detail}: put it in quotes, "{spot.text}"'


class _Order:
    """Where paths come in document order; what is missing comes where the object begins."""

    def __init__(self, value: object) -> None:
        self._value = value
        self._positions: dict[int, dict[Any, int]] = {}

    def of(self, path: Path) -> tuple[int, ...]:
        value: Any = self._value
        ranks: list[int] = []
        for part in path:
            if isinstance(value, list) and isinstance(part, int):
                ranks.append(part)
            elif isinstance(value, Mapping) and part in value:
                ranks.append(self._position(value, part))
            else:
                ranks.append(-1)
                break
            value = value[part]
        return tuple(ranks)

    def _position(self, value: Mapping[Any, Any], key: str | int) -> int:
        positions = self._positions.get(id(value))
        if positions is None:
            positions = self._positions[id(value)] = {name: index for index, name in enumerate(value)}
        return positions[key]
