"""Run the benchmarks, print the table, keep it in latest.json."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.ground import Ground
from benchmarks.rows import Outcome
from benchmarks.scale import FULL, QUICK, TINY, Scale
from benchmarks.suite import BENCHMARKS, GROWTH
from benchmarks.targets import TARGETS

LATEST, GROWN = (Path(__file__).with_name(f"{name}.json") for name in ("latest", "growth"))
ALL = {**BENCHMARKS, **GROWTH}
SCALES = {scale.name: scale for scale in (FULL, QUICK, TINY)}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    scale = SCALES[options.scale].with_rounds(options.rounds)
    directory = Path(tempfile.mkdtemp(prefix="taskpipeline-bench-"))
    try:
        with Ground(directory) as ground:
            found = measure(ground, scale=scale, names=options.only or list(GROWTH if options.growth else BENCHMARKS))
    finally:
        if options.keep:
            print(f"kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    tables = [report.table(found.rows)] if found.rows else []
    print("\n\n".join([*tables, report.figures(found.figures)]).strip())
    kept = options.json or (GROWN if options.growth else LATEST)
    kept.write_text(json.dumps(content(found, scale=scale), indent=1) + "\n")
    return 0


def measure(ground: Ground, *, scale: Scale, names: Sequence[str]) -> Outcome:
    """Run the named benchmarks; return all they found, the rows in the targets' order."""
    outcomes: list[Outcome] = []
    for name in names:
        began = time.monotonic()
        outcomes.append(ALL[name](ground, scale))
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    rows = [row for outcome in outcomes for row in outcome.rows]
    return Outcome(
        sorted(rows, key=lambda row: TARGETS.index(row.target)),
        [figure for outcome in outcomes for figure in outcome.figures],
        [curve for outcome in outcomes for curve in outcome.curves],
    )


def content(found: Outcome, *, scale: Scale) -> dict[str, Any]:
    """Return what is kept of a run."""
    return {
        "scale": scale.name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": [row.as_json() for row in found.rows],
        "figures": [figure.as_json() for figure in found.figures],
        "curves": [curve.as_json() for curve in found.curves],
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument(
        "--quick", dest="scale", action="store_const", const=QUICK.name, help="under two minutes, smaller sizes"
    )
    scale.add_argument("--scale", choices=sorted(SCALES), help=f"how much to measure (default: {FULL.name})")
    parser.set_defaults(scale=FULL.name)
    parser.add_argument("--only", nargs="+", choices=list(ALL), metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--growth", action="store_true", help=f"instead of all others: {', '.join(GROWTH)}")
    parser.add_argument("--rounds", type=int, help="rounds of A B, where a round takes seconds")
    parser.add_argument("--json", type=Path, help=f"where to keep the figures (default: {LATEST.name})")
    parser.add_argument("--keep", action="store_true", help="leave the directory with all logs")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
