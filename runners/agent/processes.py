"""Processes seen through /proc, and signals to them; standard library only, the guardian stands on it."""

from __future__ import annotations

import contextlib
import os

_PIECE = 2**16
_MARKS = (b"TASKPIPELINE_JOB=", b"TASKPIPELINE_ATTEMPT=")


def mark_of(environment: dict[str, str]) -> tuple[str, str]:
    """Return the mark that work with this environment carries: its job and attempt."""
    return (environment.get("TASKPIPELINE_JOB", ""), environment.get("TASKPIPELINE_ATTEMPT", ""))


def mark(pid: int) -> tuple[str, str] | None:
    """Return the mark of a process, or None if it has none; raise OSError if it is gone or not ours to see."""
    variables = _read(f"/proc/{pid}/environ").split(b"\0")
    job, attempt = (
        next((v[len(name) :].decode(errors="replace") for v in variables if v.startswith(name)), "") for name in _MARKS
    )
    return (job, attempt) if job and attempt else None


def _status(pid: int) -> list[bytes]:
    """Return state, parent, group, session … of a process; raise OSError if there is none."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _read(path: str) -> bytes:
    """Return the content of a file of /proc, with a third of the calls that a file object makes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while more := os.read(fd, _PIECE):
            content += more
        return content
    finally:
        os.close(fd)


def is_alive(pid: int) -> bool:
    try:
        return _status(pid)[0] not in b"ZX"
    except OSError:
        return False


def session(pid: int) -> int | None:
    """Return the session of a process, or None if it is dead."""
    try:
        return int(_status(pid)[3])
    except OSError:
        return None


def has_terminal(pid: int) -> bool:
    """Tell whether a process has a terminal; raise OSError if it is gone."""
    return _status(pid)[4] != b"0"


def parent(pid: int) -> int | None:
    """Return the parent of a process, or None if it is dead."""
    try:
        return int(_status(pid)[1])
    except OSError:
        return None


def children(pid: int) -> list[int]:
    """Return the direct children of a process of one thread, adopted ones included."""
    try:
        return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [other for other in everybody() if parent(other) == pid]


def everybody() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def signal_group(pid: int, *, number: int) -> bool:
    """Signal a process group; return whether it has members."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # it has, but none that we may signal
        return True
    return True


def signal_process(pid: int, *, number: int) -> None:
    """Signal a process, if it is there and we may."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def find_program(name: str, *, path: str) -> str:
    """Return the program as exec would find it on this PATH; raise FileNotFoundError if it is not there."""
    if "/" in name:
        return name
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    raise FileNotFoundError(0, f"{name} is not on PATH")
