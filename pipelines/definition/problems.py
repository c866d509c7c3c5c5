"""Collecting mistakes: without bound on their number, with one on memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from pipelines.wording import MANY, Path, Problem


class Problems:
    """The mistakes found so far: all are counted, and the first of each part of the document kept.

    Each part is searched in document order, so that the first mistakes of all are among those kept.
    """

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.total = 0
        self._counts: Counter[str] = Counter()

    def add(self, problem: Problem) -> None:
        part = _part(problem.path)
        self.total += 1
        self._counts[part] += 1
        if self._counts[part] <= MANY:
            self.kept.append(problem)

    def extend(self, problems: Iterable[Problem], *, under: Path) -> None:
        """Add problems whose paths are relative to `under`."""
        for problem in problems:
            self.add(replace(problem, path=under + problem.path))

    def skips(self, path: Path) -> bool:
        """Tell whether a mistake at the path is one too many to be kept, and if so count it: spare its wording."""
        part = _part(path)
        if self._counts[part] < MANY:
            return False
        self.total += 1
        self._counts[part] += 1
        return True


def _part(path: Path) -> str:
    """Return the field under which a path leads on; there are few of those in which anything is searched."""
    return path[0] if len(path) > 1 and isinstance(path[0], str) else ""
