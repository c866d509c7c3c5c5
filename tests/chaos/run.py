"""One run: clients submit, faults come, and when all is quiet again everything is looked through."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.chaos import ledger, verdicts
from tests.chaos.faults import FAULTS
from tests.chaos.scene import QUEUE_SIZE, Scene
from tests.chaos.schedule import schedule
from tests.chaos.workload import Submitter
from tests.e2e.limits import Sampler
from tests.e2e.stack import eventually

# How many jobs of each may run at once, and wait.
_CLIENTS = {"ann": ("--queue-size", "3"), "bob": ("--queue-size", "2", "--max-ready-jobs", "30"), "cid": ()}
_CLOCK_OFF_SECONDS = 3600
_END_SECONDS = 240.0
_SAMPLES = 50


def run(
    var_dir: Path,
    *,
    seed: int,
    length: int,
    say: Callable[[str], None],
    faults: Iterable[str] = FAULTS,
    small_disk: bool = False,
) -> list[str]:
    """Return what was not as it has to be after a run with so many of the faults."""
    clock_off = _CLOCK_OFF_SECONDS if seed % 2 else -_CLOCK_OFF_SECONDS
    began = time.monotonic()

    def tell(what: str) -> None:
        say(f"{time.monotonic() - began:6.1f} s  {what}")

    with ExitStack() as stack:
        scene = stack.enter_context(Scene(var_dir, clock_off_seconds=clock_off, small_disk=small_disk))
        sampler = Sampler(scene.stack.database_url, queue_size=QUEUE_SIZE)
        submitters = []
        with ThreadPoolExecutor() as pool:
            create = [
                pool.submit(scene.stack.command, "create_client", name, *limits) for name, limits in _CLIENTS.items()
            ]
        for name, creation in zip(_CLIENTS, create, strict=True):
            made = creation.result()
            api = stack.enter_context(scene.stack.as_client(made["client_id"], made["client_secret"]))
            submitters.append(Submitter(scene.stack, name=name, api=api, seed=seed, ledger_file=str(scene.ledger_file)))
        sampler.start()
        stack.callback(sampler.stop)
        for submitter in submitters:
            submitter.start()
            stack.callback(submitter.abandon)
        tell("clients submit")
        for step in schedule(faults, seed=seed, length=length):
            time.sleep(step.pause_seconds)
            tell(step.fault)
            FAULTS[step.fault](scene, random.Random(step.seed))
        tell("quiet again")
        for submitter in submitters:
            submitter.stop()
        found = [error for submitter in submitters for error in submitter.errors]
        found += _unended(scene)
        tell("every pipeline has ended" if not found else "not every pipeline has ended")
        sampler.stop()
        found += sampler.findings + scene.findings + _lost_or_double(scene, submitters)
        if sampler.samples < _SAMPLES:
            found.append(f"only {sampler.samples} samples of the limits were taken")
        found += verdicts.findings(scene.stack)
        found += ledger.findings(ledger.read(scene.ledger_file), verdicts.attempts(scene.stack))
        found += _ailments(scene)
        tell(_summary(scene, sampler))
    return found


def _unended(scene: Scene) -> list[str]:
    """Wait until every pipeline has ended; return those that have not."""
    statement = "SELECT id, state FROM pipelines_pipeline WHERE finished_at IS NULL"
    try:
        eventually(lambda: not scene.stack.query(statement), what="the end", seconds=_END_SECONDS)
    except AssertionError:
        return [f"pipeline {pk} is still {state}" for pk, state in scene.stack.query(statement)]
    return []


def _lost_or_double(scene: Scene, submitters: list[Submitter]) -> list[str]:
    """Return the pipelines that were accepted and are not there, or are there twice."""
    made = dict(scene.stack.query("SELECT name, count(*) FROM pipelines_pipeline GROUP BY name"))
    return [
        f"{name!r} was submitted and is there {made.get(name, 0)} times"
        for submitter in submitters
        for name in submitter.names
        if made.get(name, 0) != 1
    ]


def _ailments(scene: Scene) -> list[str]:
    try:
        answer = scene.stack.command("doctor")
    except subprocess.CalledProcessError as error:
        return [f"doctor: {error.stdout} {error.stderr}"]
    return [] if answer["ok"] else [f"doctor: {answer['violations']}"]


def _summary(scene: Scene, sampler: Sampler) -> str:
    outcomes = scene.stack.query("SELECT outcome, count(*) FROM runners_attempt GROUP BY outcome ORDER BY outcome")
    pipelines = scene.stack.query("SELECT state, count(*) FROM pipelines_pipeline GROUP BY state ORDER BY state")
    told = [", ".join(f"{count} {name}" for name, count in counted) for counted in (pipelines, outcomes)]
    return f"pipelines: {told[0]}; attempts: {told[1]}; {sampler.samples} samples, peaks {sampler.peaks}"
