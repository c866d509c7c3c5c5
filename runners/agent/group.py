"""What the guardian keeps of a process group; standard library only."""

from __future__ import annotations


class Job:
    """One process group at work; its leader is our child, and stays a zombie until its group was killed."""

    def __init__(self, *, serial: int, pid: int, mark: tuple[str, ...], until: float) -> None:
        self.serial = serial
        self.pid = pid
        self.mark = mark
        self.until = until  # by the monotonic clock
        self.signalled = False
        self.killing = False
        self.group_gone = False  # its number may be anybody's from then on
        self.ended: tuple[int | None, int | None] | None = None  # exit code, signal
