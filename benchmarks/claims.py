"""What a claim costs as the backlog and the number of clients grow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from benchmarks import insider
from benchmarks.ground import Ground
from benchmarks.rows import Curve, Outcome, compare, figure, interleave
from benchmarks.scale import Backlog, Scale
from benchmarks.targets import CLAIM_BACKLOG, CLAIM_CLIENTS

# The claim reads what runners are online by when they were seen; this one is never seen again.
SETTINGS = {"RUNNER_OFFLINE_SECONDS": "86400"}


def claim(ground: Ground, scale: Scale) -> Outcome:
    """Claim 100 jobs from each backlog in turn."""
    with ExitStack() as programs:
        sides = [_side(ground, scale, backlog=backlog, programs=programs) for backlog in scale.backlogs]
        interleave(3, *sides)
        found = interleave(scale.moments, *sides)
    small, large, spread = (found[scale.backlogs.index(each)] for each in (scale.small, scale.large, scale.spread))
    return Outcome(
        [
            compare(CLAIM_BACKLOG, ours=large, baseline=small, measured=scale.note(scale.large)),
            compare(CLAIM_CLIENTS, ours=spread, baseline=large, measured=scale.note(scale.spread)),
        ],
        [
            figure(f"claim of {scale.pool} from {backlog}", values=values, unit="ms")
            for backlog, values in zip(scale.backlogs, found, strict=True)
        ],
        [Curve(f"Claim of {scale.pool}, {scale.small.clients} clients", "READY jobs", "ms", _points(scale, found))],
    )


def _points(scale: Scale, found: list[list[float]]) -> list[tuple[float, float]]:
    """Return the cost over the backlog, of the backlogs with as many clients as the smallest."""
    both = zip(scale.backlogs, found, strict=True)
    return sorted((each.jobs, median(values)) for each, values in both if each.clients == scale.small.clients)


def _side(ground: Ground, scale: Scale, *, backlog: Backlog, programs: ExitStack) -> Callable[[], float]:
    name = f"backlog_{backlog.jobs}_{backlog.clients}"
    env = ground.databases.make(name, QUEUE_SIZE=str(scale.pool), **SETTINGS)
    program = programs.enter_context(insider.started("claims", env=env, log=ground.directory / f"{name}.log"))
    program.ask("fill", jobs=backlog.jobs, clients=backlog.clients)
    return lambda: 1000 * float(program.ask("claim"))
