"""Processes of this machine, told from later ones of the same number."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A process by number and start time; the start time is "" where the system has no /proc."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the living process of that number, or None."""
        if not PROC.joinpath("self").exists():
            return cls(pid, "") if _answers(pid) else None
        stat = _stat(pid)
        return cls(pid, stat.started) if stat and stat.state not in "ZX" else None

    def alive(self) -> bool:
        """Tell whether it still runs; a zombie does not."""
        return Process.of(self.pid) == self

    def send(self, number: int) -> None:
        """Send the signal, if there is still somebody to hear it."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def known_elsewhere(self, directory: Path) -> bool:
        """Tell whether it surely works in another directory; False where we may not look."""
        try:
            return not os.path.samestat(PROC.joinpath(str(self.pid), "cwd").stat(), directory.stat())
        except OSError:
            return False


def end(processes: Iterable[Process], *, steps: Iterable[tuple[int, float]]) -> list[Process]:
    """Send each signal in turn, waiting its seconds for all to end; return those that did not."""
    left = [process for process in processes if process.alive()]
    for number, seconds in steps:
        for process in left:
            process.send(number)
        deadline = time.monotonic() + seconds
        while (left := [process for process in left if process.alive()]) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not left:
            break
    return left


def working_in(directory: Path, *, command: str) -> Iterator[Process]:
    """Yield the processes of that command whose working directory is this one, whoever started them.

    A developer's shell that happens to stand there is another command.
    """
    try:
        here = directory.stat()
    except OSError:
        return
    for entry in PROC.glob("[0-9]*"):
        stat = _stat(int(entry.name))
        if stat is None or stat.command != command:
            continue
        try:
            there = entry.joinpath("cwd").stat()
        except OSError:
            continue
        if os.path.samestat(here, there) and (process := Process.of(int(entry.name))):
            yield process


def in_session(leader: Process) -> Iterator[Process]:
    """Yield the processes of the session this process leads or led.

    A session keeps its number from being given to a new process, so a stranger of that number means that the
    session is over.
    """
    holder = Process.of(leader.pid)
    if holder and holder != leader:
        return
    for entry in PROC.glob("[0-9]*"):
        stat = _stat(int(entry.name))
        if stat and stat.session == leader.pid and (process := Process.of(int(entry.name))):
            yield process


@dataclass(frozen=True, slots=True)
class _Stat:
    command: str
    state: str
    session: int
    started: str


def _stat(pid: int) -> _Stat | None:
    """Read /proc/PID/stat; the command stands in parentheses and may itself hold some."""
    try:
        text = PROC.joinpath(str(pid), "stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return _Stat(command=head.partition("(")[2], state=fields[0], session=int(fields[3]), started=fields[19])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
