"""The Celery app of the baseline, for the worker and for whoever sends to it."""

from __future__ import annotations

import os
import time
from functools import cache

from celery import Celery, chord, group
from redis import Redis

STARTED = "started"  # the list to which `touch` pushes its time
DONE = "done"  # the list to which the last barrier of a pipeline pushes its number

app = Celery("canvas", set_as_current=False)  # the service sends through the current app, its own


def configure(redis_url: str) -> None:
    """Use this Redis, an address as redis-py takes it, as broker and for results."""
    url = redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    app.conf.update(
        broker_url=url,
        result_backend=url,
        broker_connection_retry_on_startup=True,
        task_serializer="json",
        accept_content=["json"],
    )


if "CANVAS_REDIS_URL" in os.environ:  # in the worker
    configure(os.environ["CANVAS_REDIS_URL"])


@app.task(name="canvas.job")
def job(pipeline: int, stage: int, number: int) -> float:
    """Run `true`, the cheapest way there is, and write down that it ran; return when it ended."""
    started = time.time()
    _, status = os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    if status:
        raise RuntimeError(status)
    ended = time.time()
    os.write(_record(), f"{pipeline} {stage} {number} {started!r} {ended!r}\n".encode())
    return ended


@app.task(name="canvas.barrier", ignore_result=True)
def barrier(pipeline: int, stage: int, stages: int, jobs: int) -> None:
    """Stand behind a group: begin the next stage, or tell that the last one is over."""
    if stage < stages:
        begin(pipeline, stage=stage, stages=stages, jobs=jobs)
    else:
        _redis().rpush(DONE, pipeline)


def begin(pipeline: int, *, stage: int, stages: int, jobs: int) -> None:
    """Send the jobs of a stage as a group, the barrier behind it: a chord.

    The barrier sends the next group itself. As one chain of groups and barriers each message of a group would carry
    all the groups that follow: at thousands of jobs a stage that alone takes minutes.
    """
    following = barrier.si(pipeline, stage + 1, stages, jobs)
    chord(group([job.si(pipeline, stage, number) for number in range(jobs)]), following).apply_async()


@app.task(name="canvas.between", ignore_result=True)
def between() -> None:
    """Stand between two groups of a chain: without it Celery 5.7 runs the second once for each task of the first."""


@app.task(name="canvas.over", ignore_result=True)
def over(pipeline: int) -> None:
    """Tell that the last group of a chain is over."""
    _redis().rpush(DONE, pipeline)


@app.task(name="canvas.touch", ignore_result=True)
def touch() -> None:
    """Tell when it began."""
    started = time.time()
    _redis().rpush(STARTED, repr(started))


@app.task(name="canvas.gap")
def gap(ends: list[float]) -> float:
    """Return the seconds since the last of the header's tasks ended."""
    return time.time() - max(ends)


@cache
def _record() -> int:
    """Open the record in this process; a line is written at once and whole."""
    return os.open(os.environ["CANVAS_RECORD"], os.O_WRONLY | os.O_APPEND)


@cache
def _redis() -> Redis:
    return Redis.from_url(os.environ["CANVAS_REDIS_URL"])
