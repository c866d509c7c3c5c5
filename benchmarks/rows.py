"""What was measured, as a row of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.targets import Target


@dataclass(frozen=True, slots=True)
class Row:
    """One target: medians of the rounds, their ratio, and the least and the greatest ratio of one round."""

    target: Target
    ours: float
    baseline: float | None
    ratio: float
    rounds: int
    spread: tuple[float, float]
    measured: str = ""  # the size that was taken, where it is not the target's

    @property
    def ok(self) -> bool:
        return self.target.is_met(self.ratio, by=self.target.at_least)

    @property
    def aim_is_met(self) -> bool:
        return self.target.is_met(self.ratio, by=self.target.aim)

    def as_json(self) -> dict[str, Any]:
        target = self.target
        return {
            "name": target.name,
            "ours": _short(self.ours),
            "baseline": None if self.baseline is None else _short(self.baseline),
            "ratio": _short(self.ratio),
            "at_least": target.at_least,
            "aim": target.aim,
            "ok": self.ok,
            "rounds": self.rounds,
            "spread": [_short(value) for value in self.spread],
            "unit": target.unit,
            "against": target.baseline,
            "more_is_better": target.more_is_better,
            "aim_met": self.aim_is_met,
            "measured": self.measured,
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """Something else worth knowing: the median of some rounds, and their least and greatest."""

    name: str
    value: float
    unit: str
    rounds: int
    spread: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"value": _short(self.value), "spread": [_short(value) for value in self.spread]}


@dataclass(frozen=True, slots=True)
class Curve:
    """How a cost grows with something, both drawn by their magnitude."""

    name: str
    across: str
    up: str
    points: Sequence[tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one benchmark found."""

    rows: Sequence[Row] = ()
    figures: Sequence[Figure] = ()
    curves: Sequence[Curve] = ()


def interleave(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Measure every side in turn, as often as there are rounds: A B A B ...; return the values of each side.

    The speed of a machine drifts: only what was measured in the same minutes is compared.
    """
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for values, side in zip(found, sides, strict=True):
            values.append(side())
    return found


def compare(target: Target, *, ours: Sequence[float], baseline: Sequence[float], measured: str = "") -> Row:
    """Return the row of values that were measured in turn."""
    ratios = [mine / theirs for mine, theirs in zip(ours, baseline, strict=True)]
    middle = median(ours), median(baseline)
    spread = (min(ratios), max(ratios))
    return Row(target, *middle, middle[0] / middle[1], rounds=len(ratios), spread=spread, measured=measured)


def absolute(target: Target, *, values: Sequence[float]) -> Row:
    """Return the row of a target without a baseline."""
    middle = median(values)
    return Row(target, middle, None, middle, rounds=len(values), spread=(min(values), max(values)))


def figure(name: str, *, values: Sequence[float], unit: str) -> Figure:
    return Figure(name, median(values), unit, rounds=len(values), spread=(min(values), max(values)))


def _short(value: float) -> float:
    """Return the number with four digits that count."""
    return float(f"{value:.4g}")
