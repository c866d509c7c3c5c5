"""What processes have used, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Of what follows the command's name in /proc/PID/stat.
PARENT = 1
CPU_TIMES = slice(11, 15)  # its own, and that of the children it has waited for


def family(pid: int) -> set[int]:
    """Return the process and all that descends from it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[PARENT]), []).append(int(entry.name))
    found: set[int] = set()
    left = [pid]
    while left:
        found.add(member := left.pop())
        left += children.get(member, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Return what the process and its family have used so far, the members that have ended included."""
    stats = (_stat(member) for member in family(pid))
    return sum(int(ticks) for fields in stats if fields for ticks in fields[CPU_TIMES]) / TICKS


def memory_bytes(pids: Iterable[int]) -> int:
    """Return the memory of the processes, what they share counted once (PSS); where that is hidden, all they hold."""
    return sum(_memory(pid) for pid in pids)


def _memory(pid: int) -> int:
    try:
        lines = PROC.joinpath(str(pid), "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except PermissionError:  # the runner hides its memory from everybody but root
        return int(PROC.joinpath(str(pid), "statm").read_text().split()[1]) * PAGE
    except (OSError, StopIteration):  # it has ended
        return 0


def _stat(pid: int) -> list[str] | None:
    try:
        return PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
