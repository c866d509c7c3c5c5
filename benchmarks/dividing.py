"""What it takes to make a document's jobs."""

from __future__ import annotations

from benchmarks import insider
from benchmarks.ground import Ground
from benchmarks.rows import Outcome, compare, figure, interleave
from benchmarks.scale import Scale
from benchmarks.targets import DIVISION


def division(ground: Ground, scale: Scale) -> Outcome:
    """Divide a document, and copy the rows it became."""
    env = ground.databases.make("division")
    with insider.started("dividing", env=env, log=ground.directory / "division.log") as program:
        program.ask("prepare", jobs=scale.document_jobs)
        ours, theirs, least = interleave(
            scale.rounds + 2,
            lambda: 1000 * float(program.ask("divide")),
            lambda: 1000 * float(program.ask("copy")),
            lambda: 1000 * float(program.ask("copy_made")),
        )
    return Outcome(
        [compare(DIVISION, ours=ours, baseline=theirs, measured=scale.note(f"{scale.document_jobs:,} jobs"))],
        [
            figure("COPY of the same rows, ready made", values=least, unit="ms"),
            figure("division against that", values=[a / b for a, b in zip(ours, least, strict=True)], unit="x"),
        ],
    )
