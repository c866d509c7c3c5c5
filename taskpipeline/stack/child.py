"""One process of the stack."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taskpipeline.engines import processes
from taskpipeline.engines.engine import rotate
from taskpipeline.engines.processes import Process
from taskpipeline.engines.spawn import spawn
from taskpipeline.stack.backoff import Backoff

KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how long it may take to stop."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    grace_seconds: float = 10.0


class Child:
    """A program that is kept running; its output goes to a file of its name."""

    def __init__(self, program: Program, *, log_dir: Path, cwd: Path) -> None:
        self.name = program.name
        self.log = log_dir / f"{program.name}.log"
        self.backoff = Backoff()
        self.process: Process | None = None
        self._program = program
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a session of its own; it is told to end if we die."""
        rotate(self.log)
        with self.log.open("ab") as output:
            self._popen = spawn(
                self._program.argv,
                env=self._program.env,
                cwd=self._cwd,
                output=output,
                death_signal=signal.SIGTERM,
            )
        self.process = Process.of(self._popen.pid)

    def poll(self) -> int | None:
        """Return the exit code if it has ended, None while it runs."""
        return self._popen.poll() if self._popen else None

    def stop(self, *, patience: Callable[[], bool]) -> None:
        """Ask it to end, then make it; whatever it left in its session ends too.

        `patience` sleeps a moment and returns False when there is no more of it.
        """
        if not self._popen:
            return
        deadline = time.monotonic() + self._program.grace_seconds
        if self._popen.poll() is None:
            self._popen.terminate()
            while self._popen.poll() is None and time.monotonic() < deadline and patience():
                pass
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()
        if self.process:
            end_session(self.process, steps=[(signal.SIGKILL, KILL_SECONDS)])
        self._popen = None


def end_session(leader: Process, *, steps: Sequence[tuple[int, float]]) -> list[Process]:
    """End a process and everything of its session; return what could not be ended."""
    return processes.end([leader, *processes.in_session(leader)], steps=steps)
