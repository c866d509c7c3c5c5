"""Small drawings, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 480, 280
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 36, 44


def curve(content: Mapping[str, Any]) -> str:
    """Return the drawing of a curve, both axes by magnitude."""
    points = [(math.log10(x), math.log10(y)) for x, y in content["points"]]
    across = _Axis([x for x, _ in points], begin=LEFT, end=WIDTH - RIGHT)
    up = _Axis([y for _, y in points], begin=HEIGHT - BOTTOM, end=TOP)
    parts = [
        f'<line x1="{across.at(mark):.0f}" x2="{across.at(mark):.0f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
        f'<text x="{across.at(mark):.0f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**mark:,g}</text>'
        for mark in across.marks
    ]
    parts += [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up.at(mark):.0f}" y2="{up.at(mark):.0f}" stroke="#ddd"/>'
        f'<text x="{LEFT - 6}" y="{up.at(mark) + 4:.0f}" text-anchor="end">{10**mark:,g}</text>'
        for mark in up.marks
    ]
    placed = [(across.at(x), up.at(y)) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    parts += [f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2563eb"/>' for x, y in placed]
    parts += [
        f'<text x="{LEFT}" y="20" font-weight="bold">{escape(content["name"])}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(content["across"])}</text>',
        f'<text x="{LEFT - 6}" y="{TOP - 6}" text-anchor="end">{escape(content["up"])}</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="#333">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


class _Axis:
    """Powers of ten, from the one below all values to the one above."""

    def __init__(self, values: list[float], *, begin: float, end: float) -> None:
        self._low, self._high = math.floor(min(values)), max(math.ceil(max(values)), math.floor(min(values)) + 1)
        self._begin, self._end = begin, end
        self.marks = range(self._low, self._high + 1)

    def at(self, value: float) -> float:
        return self._begin + (value - self._low) / (self._high - self._low) * (self._end - self._begin)
