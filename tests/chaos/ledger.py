"""What the jobs themselves say of their runs: each attempt appends lines to one file, and those are looked through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# bash, because it knows the time without another process.
_SAY = 'say() { echo "$1 $TASKPIPELINE_JOB $TASKPIPELINE_ATTEMPT $EPOCHREALTIME" >> "$LEDGER"; }'
TICK_SECONDS = 0.2


@dataclass(frozen=True)
class Line:
    """That an attempt began, went on or came to its end, and when, in seconds since the epoch."""

    what: str
    job: int
    attempt: int
    at: float


@dataclass(frozen=True)
class Ran:
    """An attempt as the service has it; the time of its end in seconds since the epoch."""

    outcome: str
    started: bool
    finished_at: float


def command(ticks: int, *, fails_until_attempt: int = 0, exit_code: int = 0) -> list[str]:
    """Return a command that works for so many ticks, then ends; the first attempts may be made to fail."""
    failing = f'[ "$TASKPIPELINE_ATTEMPT" -gt {fails_until_attempt} ] || exit 9'
    work = f"for _ in $(seq {ticks}); do sleep {TICK_SECONDS}; say tick; done"
    return ["bash", "-c", f"{_SAY}; say start; {work}; say end; {failing}; exit {exit_code}"]


def read(path: Path) -> list[Line]:
    """Return what was written, in the order in which it was."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [Line(what, int(job), int(attempt), float(at)) for what, job, attempt, at in lines]


def findings(lines: Iterable[Line], attempts: Mapping[tuple[int, int], Ran]) -> list[str]:
    """Return where the lines and the attempts do not go together."""
    found: list[str] = []
    seen: dict[tuple[int, int], list[str]] = {}
    latest: dict[int, int] = {}
    for line in lines:
        key = (line.job, line.attempt)
        name = f"attempt {line.attempt} of job {line.job}"
        if line.attempt < latest.get(line.job, 0):
            found.append(f"{name}: {line.what} after a later attempt had begun")
        latest[line.job] = max(line.attempt, latest.get(line.job, 0))
        seen.setdefault(key, []).append(line.what)
        if key not in attempts:
            found.append(f"{name} was never handed out")
        elif line.at > attempts[key].finished_at:
            late = line.at - attempts[key].finished_at
            found.append(f"{name}: {line.what} {late:.3f} s after it was over ({attempts[key].outcome})")
    for (job, attempt), ran in attempts.items():
        said = seen.get((job, attempt), [])
        if said.count("start") > 1 or said.count("end") > 1:
            found.append(f"attempt {attempt} of job {job} ran {said.count('start')} times")
        if said and not ran.started:
            found.append(f"attempt {attempt} of job {job} ran and is not noted as started")
        if ran.outcome == "succeeded" and said.count("end") != 1:
            found.append(f"attempt {attempt} of job {job} succeeded without coming to its end")
    return found
