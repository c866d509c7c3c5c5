"""The table, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.rows import Figure, Row

HEADER = ("what", "ours", "baseline", "ratio", "spread", "at least", "aim", "")


def table(rows: Iterable[Row]) -> str:
    """Return the rows in columns, one line each."""
    return columns([HEADER, *map(cells, rows)])


def cells(row: Row) -> tuple[str, ...]:
    """Return what the table says of a row."""
    target = row.target
    sign = "≥" if target.more_is_better else "≤"
    times = "" if row.baseline is None else " x"
    return (
        f"{target.name} (here {row.measured})" if row.measured else target.name,
        f"{number(row.ours)} {target.unit}",
        "-" if row.baseline is None else f"{number(row.baseline)} {target.unit} ({target.baseline})",
        f"{number(row.ratio)}{times}",
        f"{number(row.spread[0])}-{number(row.spread[1])}",
        f"{sign} {target.at_least:g}{times}",
        f"{sign} {target.aim:g}{times}",
        "aim" if row.aim_is_met else "ok" if row.ok else "MISSED",
    )


def figures(found: Iterable[Figure]) -> str:
    return columns(
        [(each.name, f"{number(each.value)} {each.unit}", "-".join(map(number, each.spread))) for each in found]
    )


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
