"""System checks of the registered kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from pipelines import kinds
from pipelines.kinds import RUNNER_TYPES, Kind
from pipelines.wording import pointer


def check_kinds(**_: Any) -> list[CheckMessage]:
    """Check that every registered kind can be offered: a schema, an example that is valid, a known runner type."""
    return [error for kind in kinds.kinds() for error in _check(kind)]


def _check(kind: Kind) -> Iterator[CheckMessage]:
    if kind.runner_type not in RUNNER_TYPES:
        yield Error(
            f"{kind} has the runner type {kind.runner_type!r}.",
            hint=f"It must be one of {', '.join(sorted(RUNNER_TYPES))}.",
            obj=kind,
            id="pipelines.E001",
        )
    if kind.schema().get("type") != "object":
        yield Error(f"The schema of {kind} does not describe an object.", obj=kind, id="pipelines.E002")
    for problem in kind.problems(kind.example):
        yield Error(
            f"The example of {kind} is not valid at {pointer(problem.path) or '/'}: {problem.detail}",
            obj=kind,
            id="pipelines.E003",
        )
