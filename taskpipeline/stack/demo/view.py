from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Column, Table
from rich.text import Text

from pipelines.states import State

STYLES = {
    State.READY: "dim",
    State.IN_PROGRESS: "cyan",
    State.DONE: "green",
    State.CANCELLED: "yellow",
    State.ERROR: "red",
}
LOG_LINES = 12
# C0 and C1, but for the ends of lines and the tabulator.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")


def table(pipeline: Mapping[str, Any]) -> RenderableType:
    """Draw a pipeline: a row a job, with its stage, state, attempts and time."""
    drawn = Table(
        "stage",
        "job",
        "state",
        Column("try", justify="right"),
        Column("seconds", justify="right"),
        "",
        title=f"Pipeline {pipeline['id']}: {pipeline['name']}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for stage in pipeline["stages"]:
        for position, job in enumerate(stage["jobs"]):
            drawn.add_row(
                stage["name"] if position == 0 else "",
                job["name"],
                state(job["state"]),
                str(job["attempt"] or ""),
                seconds(job),
                note(job),
            )
    return Group(drawn, verdict(pipeline))


def verdict(pipeline: Mapping[str, Any]) -> Text:
    """Say where the pipeline stands, in one line."""
    text = Text.assemble("Pipeline ", state(pipeline["state"]))
    if not pipeline["finished_at"]:
        text.append(f" {pipeline['progress']} %")
    if taken := seconds(pipeline):
        text.append(f" in {taken} s")
    if warnings := pipeline["warnings"]:
        text.append(f" with {warnings} tolerated failure{'s' if warnings != 1 else ''}")
    return text


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Iterator[Text]:
    """Yield a line for each job that moved: for a screen on which nothing can be drawn over."""
    known = {job["id"]: (job["state"], job["attempt"]) for job in jobs(before)} if before else {}
    for job in jobs(after):
        if known.get(job["id"], (State.READY, 0)) != (job["state"], job["attempt"]):
            yield Text.assemble("  ", state(job["state"]), f"  {job['name']}  {note(job)}")


def state(value: str) -> Text:
    """Return a state as it is shown."""
    return Text(str(State(value).label), style=STYLES[State(value)])


def note(job: Mapping[str, Any]) -> str:
    """Return what is worth knowing of a job beside its state."""
    tolerated = job["state"] == State.ERROR and job["allow_failure"]
    retried = job["attempt"] > 1
    waiting = job["state"] == State.READY and job["attempt"] > 0
    notes = (
        ("tolerated", tolerated),
        ("to be tried again", waiting),
        ("succeeded when retried", retried and job["state"] == State.DONE),
        (job["reason"] or "", not tolerated and job["state"] in (State.ERROR, State.CANCELLED)),
    )
    return ", ".join(words for words, holds in notes if holds and words)


def seconds(timed: Mapping[str, Any]) -> str:
    """Return how long it took, if it has ended."""
    if not timed["started_at"] or not timed["finished_at"]:
        return ""
    taken = datetime.fromisoformat(timed["finished_at"]) - datetime.fromisoformat(timed["started_at"])
    return f"{taken.total_seconds():.1f}"


def jobs(pipeline: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Return the jobs of all stages."""
    return [job for stage in pipeline["stages"] for job in stage["jobs"]]


def show_failure(console: Console, job: Mapping[str, Any], *, attempt: Mapping[str, Any], log: str) -> None:
    """Print the end of the log of an attempt that failed, less what would steer the terminal."""
    lines = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", log).splitlines()[-LOG_LINES:]
    title = f"{job['name']}: attempt {attempt['number']} {attempt['outcome'].replace('_', ' ')}"
    if attempt["exit_code"] is not None:
        title += f", exit code {attempt['exit_code']}"
    console.print(Panel(Text("\n".join(lines) or "(no output)"), title=Text(title), title_align="left"))
