"""What a request costs, beside the least that Django and DRF cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.checking import WrongRun
from benchmarks.connection import Address, Load, load
from benchmarks.documents import document
from benchmarks.ground import Ground
from benchmarks.rows import Outcome, compare, figure, interleave
from benchmarks.scale import Scale
from benchmarks.stack import API, Stack
from benchmarks.targets import READ, SUBMIT

THREE_JOBS = document(stages=3, jobs=1)
CONNECTIONS = 8
PAGE = 50


def submit(ground: Ground, scale: Scale) -> Outcome:
    """Submit three-job pipelines. The runner is paused meanwhile: the request is measured, not the work it asks for."""
    stack, bare = ground.stack, ground.bare
    posted = stack.request("POST", f"{API}/pipelines/", body=THREE_JOBS)

    def ours(connections: int) -> float:
        stack.forget()
        done = load(stack.address, posted, connections=connections, seconds=scale.load_seconds)
        _check(stack, done=done)
        return done.per_second

    def theirs(connections: int) -> float:
        inserted = bare.insert(THREE_JOBS)
        return load(bare.address, inserted, connections=connections, seconds=scale.load_seconds).per_second

    with paused(stack):
        ours(CONNECTIONS), theirs(CONNECTIONS)
        mine, others = interleave(scale.rounds, lambda: ours(CONNECTIONS), lambda: theirs(CONNECTIONS))
        few, many = interleave(scale.rounds, lambda: ours(1), lambda: ours(32))
        stack.forget()
    return Outcome(
        [compare(SUBMIT, ours=mine, baseline=others)],
        [
            figure("submit of a three-job pipeline at 1 connection", values=few, unit="requests/s"),
            figure("submit of a three-job pipeline at 32 connections", values=many, unit="requests/s"),
        ],
    )


def read(ground: Ground, scale: Scale) -> Outcome:
    """Read a pipeline of three jobs, and a page of the list with as many rows as a page has, all waiting or at work."""
    stack, bare = ground.stack, ground.bare
    stack.forget()
    with paused(stack):
        pipeline = min([stack.submit(THREE_JOBS) for _ in range(PAGE)])
        listed = _rate(stack.address, stack.request("GET", f"{API}/pipelines/"), scale=scale)

        def page(state: str) -> float:
            stack.query(f"UPDATE pipelines_pipeline SET state = '{state}'")
            return listed()

        asked = (
            _rate(stack.address, stack.request("GET", f"{API}/pipelines/{pipeline}/"), scale=scale),
            lambda: page("READY"),
            lambda: page("IN_PROGRESS"),
            _rate(bare.address, bare.show(), scale=scale),
        )
        interleave(1, *asked)
        one, waiting, at_work, theirs = interleave(scale.rounds, *asked)
        stack.forget()
    rows = [compare(READ, ours=values, baseline=theirs) for values in (one, waiting, at_work)]
    return Outcome(
        [min(rows, key=lambda row: row.ratio)],
        [
            figure("GET of a pipeline", values=one, unit="requests/s"),
            figure("GET of a list page, its pipelines waiting", values=waiting, unit="requests/s"),
            figure("GET of a list page, its pipelines at work", values=at_work, unit="requests/s"),
        ],
    )


def _rate(address: Address, request: bytes, *, scale: Scale) -> Callable[[], float]:
    return lambda: load(address, request, connections=CONNECTIONS, seconds=scale.load_seconds).per_second


def _check(stack: Stack, *, done: Load) -> None:
    ((pipelines, jobs),) = stack.query(
        "SELECT (SELECT count(*) FROM pipelines_pipeline), (SELECT count(*) FROM pipelines_job)"
    )
    if (pipelines, jobs) != (done.answered, 3 * done.answered):
        raise WrongRun(f"{done.answered} submissions were answered, {pipelines} pipelines with {jobs} jobs are there")


@contextmanager
def paused(stack: Stack) -> Iterator[None]:
    """Give the runner nothing meanwhile."""
    stack.query("UPDATE runners_runner SET paused_at = now()")
    try:
        yield
    finally:
        stack.query("UPDATE runners_runner SET paused_at = NULL")
