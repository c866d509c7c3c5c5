"""Run workloads on the baseline: a prefork worker with two processes, as many as Celery's users would start here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import chain, chord, group
from redis import Redis

from benchmarks.canvas.app import DONE, STARTED, app, begin, between, configure, gap, job, over, touch
from benchmarks.checking import Ran
from benchmarks.documents import Workload
from benchmarks.programs import NotReady, environment, running

PATIENCE_SECONDS = 300


class Canvas:
    """A worker that is up, and what is asked of it."""

    def __init__(self, *, redis_url: str, record: Path) -> None:
        configure(redis_url)
        self._redis = Redis.from_url(redis_url, socket_timeout=None)
        self._record = record

    def run(self, workload: Workload) -> float:
        """Send the workload and return the seconds until the last barrier is passed."""
        began = time.perf_counter()
        for pipeline in range(workload.pipelines):
            begin(pipeline, stage=0, stages=workload.stages, jobs=workload.jobs)
        self._await_done(workload)
        return time.perf_counter() - began

    def run_as_chains(self, workload: Workload) -> float:
        """Send each pipeline as one chain of groups, and return the seconds likewise; not for thousands of jobs."""
        chains = [_chain(workload, pipeline=pipeline) for pipeline in range(workload.pipelines)]
        began = time.perf_counter()
        for each in chains:
            each.apply_async()
        self._await_done(workload)
        return time.perf_counter() - began

    def ran(self) -> list[Ran]:
        """Return what the jobs wrote down."""
        lines = [line.split() for line in self._record.read_text().splitlines()]
        return [Ran(int(p), int(s), int(j), float(started), float(ended)) for p, s, j, started, ended in lines]

    def forget(self) -> None:
        """Clear the record and what is left of results, so that each run begins alike."""
        os.truncate(self._record, 0)
        left = list(self._redis.scan_iter("celery-task*-meta-*", count=5000))
        if left:
            self._redis.delete(*left)

    def start_seconds(self) -> float:
        """Publish a task and return how long it took until it began."""
        began = time.time()
        touch.apply_async()
        told: Any = self._redis.blpop([STARTED], timeout=PATIENCE_SECONDS)
        return float(told[1]) - began

    def messages(self, count: int) -> tuple[float, float]:
        """Publish so many tasks that do nothing; return the messages a second, published and worked off."""
        began = time.perf_counter()
        for _ in range(count):
            touch.apply_async()
        published = time.perf_counter()
        for _ in range(count):
            self._redis.blpop([STARTED], timeout=PATIENCE_SECONDS)
        return count / (published - began), count / (time.perf_counter() - began)

    def hand_off_seconds(self) -> float:
        """Return the time from the end of the last task of a chord's header to the begin of its body.

        Of two tasks: a chord of one is no chord to Celery.
        """
        return float(chord([job.si(0, 0, 0), job.si(0, 0, 1)], gap.s()).apply_async().get(timeout=PATIENCE_SECONDS))

    def _await_done(self, workload: Workload) -> None:
        for _ in range(workload.pipelines):
            if self._redis.blpop([DONE], timeout=PATIENCE_SECONDS) is None:
                raise NotReady(f"{workload} as canvas did not end")


def _chain(workload: Workload, *, pipeline: int) -> Any:
    steps: list[Any] = []
    for stage in range(workload.stages):
        steps += [group([job.si(pipeline, stage, number) for number in range(workload.jobs)]), between.si()]
    return chain(*steps[:-1], over.si(pipeline))


@contextmanager
def started(directory: Path, *, redis_url: str) -> Iterator[Canvas]:
    """Start the worker, and stop it at the end."""
    directory.mkdir(parents=True)
    record = directory / "ran"
    record.touch()
    env = environment(CANVAS_REDIS_URL=redis_url, CANVAS_RECORD=str(record))
    words = ["-m", "celery", "-A", "benchmarks.canvas.app", "worker", "--pool", "prefork", "--concurrency", "2"]
    words += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    with running(*words, env=env, log=directory / "worker.log"):
        canvas = Canvas(redis_url=redis_url, record=record)
        canvas.start_seconds()  # it is up once it has answered
        try:
            yield canvas
        finally:
            # Results that are found when the interpreter ends would unsubscribe, and complain that they cannot.
            backend: Any = app.backend
            backend.result_consumer.subscribed_to.clear()
