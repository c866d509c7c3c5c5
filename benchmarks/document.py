"""Write the figures of the last run into docs/performance.md, and its drawings beside it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.programs import ROOT
from benchmarks.report import number

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: made by `python -m benchmarks.document` -->", "<!-- end of the figures -->"
LATEST = Path(__file__).with_name("latest.json")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__)
    parser.add_argument("figures", nargs="?", type=Path, default=LATEST, help="what a run has kept")
    content = json.loads(parser.parse_args(arguments).figures.read_text())
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), content=content))
    for each in content["curves"]:
        DOCUMENT.with_name(drawing(each)).write_text(plots.curve(each))
    return 0


def rewritten(text: str, *, content: Mapping[str, Any]) -> str:
    """Return the document with what stands between the marks made anew."""
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n\n{figures(content)}\n\n{END}{after}"


def figures(content: Mapping[str, Any]) -> str:
    """Return the table of the targets, the other figures and the drawings, as Markdown."""
    lines = ["| what | ours | baseline | ratio | spread | at least | aim | |", "| --- |" + " --- |" * 7]
    lines += [_row(row) for row in content["rows"]]
    lines += ["", f"Measured {content['at'][:10]}, scale `{content['scale']}`.", ""]
    lines += ["| beside the targets | median | spread |", "| --- | --- | --- |"]
    lines += [
        f"| {each['name']} | {number(each['value'])} {each['unit']} | {'-'.join(map(number, each['spread']))} |"
        for each in content["figures"]
    ]
    lines += [line for each in content["curves"] for line in ("", f"![{each['name']}]({drawing(each)})")]
    return "\n".join(lines)


def drawing(curve: Mapping[str, Any]) -> str:
    """Return the name of the curve's file."""
    return re.sub(r"[^a-z0-9]+", "-", curve["name"].lower()).strip("-") + ".svg"


def _row(row: Mapping[str, Any]) -> str:
    alone = row["baseline"] is None
    unit, times, sign = row["unit"], "" if alone else " x", "≥" if row["more_is_better"] else "≤"
    baseline = row["against"] if alone else f"{row['against']}: {number(row['baseline'])} {unit}"
    verdict = "aim met" if row["aim_met"] else "at least met" if row["ok"] else "**missed**"
    name = f"{row['name']} (here {row['measured']})" if row["measured"] else row["name"]
    cells = (
        name, f"{number(row['ours'])} {unit}", baseline, f"{number(row['ratio'])}{times}",
        "-".join(map(number, row["spread"])), f"{sign} {row['at_least']:g}{times}", f"{sign} {row['aim']:g}{times}",
        verdict,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
