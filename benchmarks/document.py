"""Write the figures of the last runs into docs/performance.md, and their drawings beside it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import plots
from benchmarks.__main__ import GROWN, LATEST
from benchmarks.programs import ROOT
from benchmarks.report import number

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- {section}: made by `python -m benchmarks.document` -->", "<!-- end of the {section} -->"
SECTIONS = {"figures": LATEST, "growth": GROWN}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__)
    parser.parse_args(arguments)
    for section, kept in SECTIONS.items():
        if kept.exists():
            content = json.loads(kept.read_text())
            DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), section=section, content=content))
            for each in content["curves"]:
                DOCUMENT.with_name(drawing(each)).write_text(plots.curve(each))
    return 0


def rewritten(text: str, *, section: str, content: Mapping[str, Any]) -> str:
    """Return the document with what stands between the marks of a section made anew."""
    begin, end = BEGIN.format(section=section), END.format(section=section)
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    return f"{before}{begin}\n\n{figures(content)}\n\n{end}{after}"


def figures(content: Mapping[str, Any]) -> str:
    """Return the table of the targets, if it is about any, the other figures and the drawings, as Markdown."""
    lines = []
    if content["rows"]:
        lines += ["| what | ours | baseline | ratio | spread | at least | aim | |", "| --- |" + " --- |" * 7]
        lines += [*(_row(row) for row in content["rows"]), ""]
    lines += [f"Measured {content['at'][:10]}, scale `{content['scale']}`.", ""]
    lines += [f"| {'beside the targets' if content['rows'] else 'what'} | median | spread |", "| --- | --- | --- |"]
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
