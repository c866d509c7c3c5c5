"""Processes that tests start and look for."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from tests.agent.service import WAIT_SECONDS


def pid_in(path: Path) -> int:
    """Return the process id that work wrote into the file."""
    return int(path.read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_dead(pid: int, *, seconds: float = WAIT_SECONDS) -> None:
    """Wait for the end of a process that need not be our child; fail the test if it lives on."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        dead = poll.poll(seconds * 1000)
    finally:
        os.close(handle)
    if not dead:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert dead, f"process {pid} lives on"
