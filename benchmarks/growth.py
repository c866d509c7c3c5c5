"""How costs grow with what there is: jobs of a pipeline, clients, runners, history. `make bench-growth`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks import insider
from benchmarks.claims import SETTINGS
from benchmarks.ground import Ground
from benchmarks.insider import Insider
from benchmarks.rows import Curve, Figure, Outcome, figure, interleave
from benchmarks.scale import Scale

_HISTORY_ASKED = {
    "claim": "claim of 100",
    "submission": "submission of three jobs",
    "page": "first page of a list",
    "pipeline": "a pipeline",
}
_ROWS_A_JOB = 5


def documents(ground: Ground, scale: Scale) -> Outcome:
    """Divide pipelines of more and more jobs."""
    with ExitStack() as programs:
        sides = []
        for jobs in scale.documents:
            program = _program(ground, "dividing", name=f"document_{jobs}", programs=programs)
            program.ask("prepare", jobs=jobs)
            sides.append(_asking(program, "divide"))
        found = interleave(scale.moments, *sides)
    points = [(jobs, median(values) / jobs) for jobs, values in zip(scale.documents, found, strict=True)]
    return Outcome(
        figures=[
            figure(f"division of {jobs:,} jobs", values=values, unit="ms")
            for jobs, values in zip(scale.documents, found, strict=True)
        ],
        curves=[Curve("Division, a job", "jobs of the pipeline", "ms", points)],
    )


def clients(ground: Ground, scale: Scale) -> Outcome:
    """Claim from the same backlog of more and more clients."""
    return _claims(
        ground,
        scale,
        sizes=scale.client_counts,
        fill=lambda size: {"jobs": scale.growth_backlog, "clients": size},
        name="clients",
    )


def runners(ground: Ground, scale: Scale) -> Outcome:
    """Claim for more and more runners that are online and have room."""
    return _claims(
        ground,
        scale,
        sizes=scale.runner_counts,
        fill=lambda size: {"jobs": scale.growth_backlog, "clients": 100, "runners": size},
        name="runners",
    )


def _claims(
    ground: Ground, scale: Scale, *, sizes: Sequence[int], fill: Callable[[int], Mapping[str, int]], name: str
) -> Outcome:
    with ExitStack() as programs:
        sides = []
        for size in sizes:
            settings = {"QUEUE_SIZE": str(scale.pool), **SETTINGS}
            program = _program(ground, "claims", name=f"{name}_{size}", programs=programs, **settings)
            program.ask("fill", **fill(size))
            sides.append(_asking(program, "claim"))
        interleave(3, *sides)
        found = interleave(scale.moments, *sides)
    return Outcome(
        figures=[
            figure(f"claim of {scale.pool}, {size:,} {name}", values=values, unit="ms")
            for size, values in zip(sizes, found, strict=True)
        ],
        curves=[Curve(f"Claim of {scale.pool} over {name}", name, "ms", _medians(sizes, found))],
    )


def history(ground: Ground, scale: Scale) -> Outcome:
    """Claim, submit and read beside more and more that is over."""
    figures: list[Figure] = []
    points: dict[str, list[tuple[float, float]]] = {what: [] for what in _HISTORY_ASKED}
    with ExitStack() as programs:
        settings = {"QUEUE_SIZE": str(scale.pool), **SETTINGS}
        program = _program(ground, "history", name="history", programs=programs, **settings)
        program.ask("begin", jobs=scale.small.jobs, clients=scale.small.clients)
        for jobs in scale.histories:
            program.ask("grow", jobs=jobs)
            sides = [_asking(program, what) for what in _HISTORY_ASKED]
            interleave(3, *sides)
            rows = _ROWS_A_JOB * jobs
            for what, values in zip(_HISTORY_ASKED, interleave(scale.moments, *sides), strict=True):
                figures.append(
                    figure(f"{_HISTORY_ASKED[what]} beside {rows:,} rows of history", values=values, unit="ms")
                )
                if rows:
                    points[what].append((rows, median(values)))
    curves = [
        Curve(f"{_HISTORY_ASKED[what]} beside history".capitalize(), "rows of finished jobs", "ms", points[what])
        for what in _HISTORY_ASKED
    ]
    return Outcome(figures=figures, curves=curves)


def _program(ground: Ground, module: str, *, name: str, programs: ExitStack, **settings: str) -> Insider:
    env = ground.databases.make(f"growth_{name}", **settings)
    return programs.enter_context(insider.started(module, env=env, log=ground.directory / f"growth_{name}.log"))


def _asking(program: Insider, what: str, **arguments: Any) -> Callable[[], float]:
    return lambda: 1000 * float(program.ask(what, **arguments))


def _medians(sizes: Sequence[int], found: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    return [(size, median(values)) for size, values in zip(sizes, found, strict=True)]
