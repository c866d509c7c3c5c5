"""Ctrl-C and TERM as something to look at between two steps, never as an exception in the middle of one."""

from __future__ import annotations

import os
import select
import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self

ECHO_SECONDS = 1.0


class Interrupts:
    """While entered: counts requests to stop, and offers a sleep that they, or a child's death, cut short.

    One request may come as several signals: a terminal and make both pass it on. What follows at once is its echo.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last = -ECHO_SECONDS
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # SIGINT also where it is ignored: a shell without job control ignores it for what it puts in the background.
        # SIGHUP not where it is ignored: that is what nohup is for.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> None:
        """Sleep, until a signal comes."""
        if select.select([self._reader], [], [], max(seconds, 0))[0]:
            os.read(self._reader, 4096)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last >= ECHO_SECONDS:
            self.count += 1
        self._last = now
