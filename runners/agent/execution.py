"""The work of attempts: begun, read, stopped and ended by way of the guardian."""

from __future__ import annotations

import itertools
import os
import selectors
import signal
from collections.abc import Callable, Mapping
from typing import Any

from runners.agent.account import Account
from runners.agent.attempt import Attempt, Phase, Stop
from runners.agent.command import Command, Executor
from runners.agent.endings import ending, given_back, spawn_failure
from runners.agent.exceptions import StartError
from runners.agent.guard import Guard
from runners.agent.output import Budget
from runners.agent.protocol import Outcome, Reason, finished
from runners.agent.workspace import Workspace

_READ_BYTES = 64 * 2**10
_PIPE_READS = 32  # more than a pipe can hold: what is still written then is none of the work's
# Held by one log, and by all together, before its pipe is read no further and the work has to wait.
_LOG_BYTES = 2**20
_ALL_LOGS_BYTES = 64 * 2**20
_FAIR_BYTES = 128 * 2**10
_HOLD_SHARE = 1 / 8


class Execution:
    """Everything between the supervisor and the guardian; `changed` is called when an attempt has news to report."""

    def __init__(
        self,
        *,
        guard: Guard,
        workspace: Workspace,
        executors: Mapping[str, Executor],
        account: Account,
        selector: selectors.BaseSelector,
        budget: Budget,
        changed: Callable[[Attempt], None],
    ) -> None:
        self._guard = guard
        self._workspace = workspace
        self._executors = executors
        self._account = account
        self._selector = selector
        self._budget = budget
        self._changed = changed
        self._serials = itertools.count(1)
        self._attempts: dict[int, Attempt] = {}
        selector.register(guard, selectors.EVENT_READ, self.hear)

    def __len__(self) -> int:
        return len(self._attempts)

    def begin(self, attempt: Attempt) -> None:
        """Ask for the work to be started; an attempt that cannot be is ended as failed."""
        attempt.phase = Phase.RUNNING
        try:
            command = self._command(attempt)
            directory = self._workspace.make(attempt.key)
            reading, writing = os.pipe2(os.O_CLOEXEC)
        except (StartError, OSError) as error:
            self._end(attempt, finished(Outcome.FAILED, reason=Reason.SPAWN_FAILED, message=str(error)))
            return
        os.set_blocking(reading, False)  # this end only: the work is no friend of EAGAIN
        attempt.pipe = reading
        attempt.serial = next(self._serials)
        attempt.held_until = attempt.lease.kill_at
        self._attempts[attempt.serial] = attempt
        self._guard.spawn(
            attempt.serial,
            command=command,
            cwd=command.cwd or str(directory),
            output=writing,
            stdin=None if command.stdin is None else _file_of(command.stdin),
            until=attempt.held_until,
        )

    def hold(self, attempt: Attempt) -> None:
        """Tell the guardian of a lease that changed: it kills the work in time even if we are frozen.

        A little more is not worth a message; less always is.
        """
        more = attempt.lease.kill_at - attempt.held_until
        if more < 0 or more > attempt.lease.seconds * _HOLD_SHARE:
            attempt.held_until = attempt.lease.kill_at
            self._guard.hold(attempt.serial, until=attempt.held_until)

    def stop(self, attempt: Attempt, *, why: Stop, kill_at: float) -> None:
        """Send TERM to the work's group; KILL is to follow at `kill_at`."""
        attempt.stop = why
        attempt.kill_at = kill_at
        self._guard.signal(attempt.serial, number=signal.SIGTERM)

    def kill(self, attempt: Attempt) -> None:
        """Send KILL to the work's group."""
        attempt.was_killed = True
        self._guard.signal(attempt.serial, number=signal.SIGKILL)

    def hear(self) -> None:
        """Take in what the guardian tells; raise GuardianLostError when it is gone."""
        spawned = []
        for event in self._guard.events():
            attempt = self._attempts[event["id"]]
            if event["event"] == "spawned":
                timeout = attempt.request.timeout_seconds
                attempt.timeout_at = None if timeout is None else event["at"] + timeout
                spawned.append(attempt)
            elif event["event"] == "failed":
                self._end(attempt, spawn_failure(attempt.request, what=event["what"], error=event["error"]))
            else:
                self._end(attempt, ending(attempt, event=event))
        for attempt in spawned:  # work that is over as soon as begun costs no round through the selector
            self._watch(attempt)
            self._changed(attempt)

    def flush(self) -> None:
        """Send the guardian what it was asked for since the last time."""
        self._guard.flush()

    def resume(self, attempt: Attempt) -> None:
        """Read on where a full log had made us pause."""
        if attempt.phase is Phase.RUNNING and not attempt.is_watched and not self._is_full(attempt):
            self._watch(attempt)

    def abandon(self) -> None:
        """The guardian is gone and all work is dead: give every attempt back."""
        self._selector.unregister(self._guard)
        for attempt in list(self._attempts.values()):
            self._end(attempt, given_back("Killed because its runner lost its guardian."))

    def _command(self, attempt: Attempt) -> Command:
        executor = self._executors.get(attempt.request.kind)
        if executor is None:
            raise StartError(f"This runner cannot execute {attempt.request.kind}: start a newer run_runner.")
        return executor(attempt.request, self._account)

    def _watch(self, attempt: Attempt) -> None:
        if attempt.pipe is not None:
            self._selector.register(attempt.pipe, selectors.EVENT_READ, lambda: self._read(attempt))
            attempt.is_watched = True

    def _unwatch(self, attempt: Attempt) -> None:
        if attempt.is_watched and attempt.pipe is not None:
            self._selector.unregister(attempt.pipe)
            attempt.is_watched = False

    def _read(self, attempt: Attempt) -> None:
        if self._read_pipe(attempt) == b"":  # the work closed it; it may well go on
            self._close_pipe(attempt)
        elif self._is_full(attempt):
            self._unwatch(attempt)
        self._changed(attempt)

    def _read_pipe(self, attempt: Attempt) -> bytes | None:
        """Read once; return nothing at the end, and None while there is nothing to read."""
        try:
            data = os.read(attempt.pipe, _READ_BYTES) if attempt.pipe is not None else b""
        except BlockingIOError:
            return None
        attempt.output.feed(data)
        return data

    def _is_full(self, attempt: Attempt) -> bool:
        held = attempt.output.held_bytes
        return held >= _LOG_BYTES or (held >= _FAIR_BYTES and self._budget.held >= _ALL_LOGS_BYTES)

    def _close_pipe(self, attempt: Attempt) -> None:
        self._unwatch(attempt)
        if attempt.pipe is not None:
            os.close(attempt.pipe)
            attempt.pipe = None

    def _end(self, attempt: Attempt, fields: dict[str, Any]) -> None:
        """Nothing of the work is left: take what its pipe still holds, and report its end."""
        for _ in range(_PIPE_READS):
            if not self._read_pipe(attempt):
                break
        attempt.output.feed(b"", final=True)
        self._close_pipe(attempt)
        self._workspace.remove(attempt.key)
        self._attempts.pop(attempt.serial, None)
        attempt.end_with(fields)
        self._changed(attempt)


def _file_of(content: bytes) -> int:
    """Return a descriptor to read the content from: a file in memory, so that nobody has to feed a pipe."""
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
