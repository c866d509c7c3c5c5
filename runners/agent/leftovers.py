"""What a killed predecessor left: found by its marks in /proc, killed, cleared away.

Usually its guardian has done that. This is for the day when both were killed at once.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from runners.agent.guard import GUARDIAN
from runners.agent.processes import everybody, has_terminal, is_alive, mark, parent
from runners.agent.workspace import remove_tree

logger = logging.getLogger(__name__)

_WAIT_MILLISECONDS = 1_000
_ROUNDS = 20


def clear(root: Path) -> None:
    """Kill all work that the directories in `root` are named after, then remove these.

    Call only when no other process works in `root`.
    """
    left = [entry for entry in root.iterdir() if entry.is_dir()]
    if not left:
        return
    marks = {tuple(entry.name.split("-", 1)) for entry in left}
    for _ in range(_ROUNDS):  # a process may fork while we look
        killed = [pid for pid in everybody() if pid != os.getpid() and _kill(pid, marks=marks, root=root)]
        if not killed:
            break
        logger.warning("killed what a runner left behind", extra={"pids": killed})
    for entry in left:
        remove_tree(entry)


def _kill(pid: int, *, marks: set[tuple[str, ...]], root: Path) -> bool:
    """Kill the process if it is ours and wait until it is dead; a pidfd, so that never another one is hit."""
    try:
        if not _is_ours(pid, marks=marks, root=root):
            return False
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _is_ours(pid, marks=marks, root=root):  # the number may have been given away before we held it
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(_WAIT_MILLISECONDS)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _is_ours(pid: int, *, marks: set[tuple[str, ...]], root: Path) -> bool:
    """Tell whether the process is the work of an attempt we know of and no guardian is above it.

    With a guardian above it, it belongs to a runner that lives: another service on this machine may count the same
    jobs.
    """
    if mark(pid) not in marks and not _is_at_work_in(root, pid=pid):
        return False
    return is_alive(pid) and not any(_is_guardian(ancestor) for ancestor in _ancestors(pid))


def _is_at_work_in(root: Path, *, pid: int) -> bool:
    """Tell whether a process that may hide its mark is work: somebody who just looks around there has a terminal."""
    return os.readlink(f"/proc/{pid}/cwd").startswith(f"{root}/") and not has_terminal(pid)


def _is_guardian(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(GUARDIAN.encode() in word for word in words)


def _ancestors(pid: int) -> Iterator[int]:
    above = parent(pid)
    while above:
        yield above
        above = parent(above)
