"""One stack a VAR_DIR: who holds it, and what a holder that was killed left running."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from taskpipeline.engines.processes import Process
from taskpipeline.stack.child import end_session
from taskpipeline.stack.exceptions import StackError

LOCK = "stack.lock"
FILE = "stack.json"
LEFT_STEPS = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


class AlreadyHeldError(StackError):
    """A stack is up under this VAR_DIR; `url` is where it answers, "" while it starts."""

    def __init__(self, var_dir: Path, *, url: str) -> None:
        self.url = url
        super().__init__(
            f"A stack is already up under {var_dir}{f', at {url}' if url else ''}. "
            "Stop it, or give this one another VAR_DIR and PORT."
        )


class Holding:
    """The right to run a stack under VAR_DIR, kept by the system until we end, however we end."""

    def __init__(self, var_dir: Path) -> None:
        self._file = var_dir / FILE
        self._lock: IO[bytes] | None = (var_dir / LOCK).open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise AlreadyHeldError(var_dir, url=str(_read(self._file).get("url", ""))) from None
        for process in _processes(_read(self._file)):
            if left := end_session(process, steps=LEFT_STEPS):
                raise StackError(f"Process {left[0].pid} of the stack before this one cannot be stopped.")

    def record(self, processes: Iterable[Process], *, url: str) -> None:
        """Write down what runs, for the stack after this one."""
        partial = self._file.with_suffix(".partial")
        content = {"url": url, "processes": [asdict(process) for process in processes]}
        partial.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(partial, self._file)

    def release(self) -> None:
        """Give it back; nothing runs any more."""
        if self._lock:
            self._file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _processes(content: dict[str, Any]) -> list[Process]:
    try:
        return [Process(pid=int(entry["pid"]), started=str(entry["started"])) for entry in content["processes"]]
    except (KeyError, TypeError, ValueError):
        return []
