"""What a Kubernetes API server is asked as the number of jobs at once grows."""

from __future__ import annotations

from benchmarks import insider
from benchmarks.ground import Ground
from benchmarks.rows import Figure, Outcome, figure
from benchmarks.scale import Scale

PER_JOB = {"create": "creates", "delete": "deletes", "log": "log reads"}


def requests(ground: Ground, scale: Scale) -> Outcome:
    """Run so many K8S/Job jobs at once, then ten times as many: only what is of one object grows with them."""
    env = ground.databases.make("clusters", QUEUE_SIZE=str(scale.cluster_jobs[-1]))
    figures: list[Figure] = []
    with insider.started("clusters", env=env, log=ground.directory / "clusters.log") as program:
        program.ask("prepare")
        for jobs in scale.cluster_jobs:
            counted = program.ask("run", jobs=jobs)
            name = f"{jobs} K8S/Job at once"
            figures += [
                _figure(f"{name}: rounds from claim to the last object gone", counted["rounds"], unit="rounds"),
                _figure(f"{name}: requests a round for all of them", counted["other"] / counted["rounds"]),
                *(_figure(f"{name}: {what} a job", counted[verb] / jobs) for verb, what in PER_JOB.items()),
            ]
    return Outcome(figures=figures)


def _figure(name: str, value: float, *, unit: str = "requests") -> Figure:
    return figure(name, values=[value], unit=unit)
