from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live

from pipelines.states import FINISHED
from taskpipeline.stack.demo import view
from taskpipeline.stack.exceptions import StackError, StoppedError

POLL_SECONDS = 0.2

LONGEST_SECONDS = 300.0


class Watchable(Protocol):
    """What is asked of the service here."""

    def pipeline(self, number: int) -> dict[str, Any]: ...

    def attempts(self, job: int) -> list[dict[str, Any]]: ...

    def end_of_log(self, job: int, *, attempt: int) -> str: ...


def follow(
    service: Watchable, pipeline: dict[str, Any], *, console: Console, tend: Callable[[float], bool]
) -> dict[str, Any]:
    """Show the pipeline's progress until it has ended, and return it as it then is.

    `tend` sleeps and returns False when we are asked to stop.
    """
    deadline = time.monotonic() + LONGEST_SECONDS
    before = None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            if console.is_terminal:
                live.update(view.table(pipeline), refresh=True)
            else:
                for line in view.changes(before, pipeline):
                    console.print(line)
            if pipeline["state"] in FINISHED:
                return pipeline
            if not tend(POLL_SECONDS):
                raise StoppedError
            if time.monotonic() > deadline:
                raise StackError(f"Pipeline {pipeline['id']} has not ended within {LONGEST_SECONDS:.0f} seconds.")
            before, pipeline = pipeline, service.pipeline(pipeline["id"])


def show_failures(service: Watchable, pipeline: dict[str, Any], *, console: Console) -> None:
    """Print the log of every attempt that did not succeed."""
    for job in view.jobs(pipeline):
        for attempt in service.attempts(job["id"]) if job["attempt"] else ():
            if attempt["outcome"] != "succeeded":
                log = service.end_of_log(job["id"], attempt=attempt["number"])
                view.show_failure(console, job, attempt=attempt, log=log)
