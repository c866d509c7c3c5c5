"""The guardian: parent of all work of one runner, in a small process of its own.

Stands alone (standard library, `group`, `processes` and `spawning`, no site-packages), because it must be small and
must outlive the runner. It starts work, tells how it ended once nothing of it is left, and kills what may go on no
longer unless the runner said otherwise in time. When the runner's end of the channel closes, however that came about,
it kills everything and ends.

The channel carries one JSON object a line. From the runner: `{"do": "spawn", "id", "argv", "env", "cwd", "stdin",
"until"}` with the descriptor of the output, then that of the input if `stdin`; `{"do": "signal", "id", "signal"}`;
`{"do": "hold", "id", "until"}`; `until` is a moment of the monotonic clock, past which nothing begins. To the runner:
`{"event": "spawned", "id", "at"}`, `{"event": "failed", "id", "what", "error"}`, `{"event": "exited", "id",
"exit_code", "signal", "signalled"}`.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import math
import os
import select
import signal
import socket
import time
from collections import deque

from runners.agent.group import Job
from runners.agent.processes import children, mark, mark_of, session, signal_group, signal_process
from runners.agent.spawning import SpawnError, spawn

PR_SET_CHILD_SUBREAPER = 36
LOOK_AGAIN_MILLISECONDS = 100


class Guardian:
    """The loop: orders come in, children end, strays are found."""

    def __init__(self, channel: socket.socket, *, uid: int | None) -> None:
        self._channel = channel
        self._uid = uid
        self._pid = os.getpid()
        self._jobs: dict[int, Job] = {}  # by serial
        self._leaders: dict[int, Job] = {}  # by pid, until reaped
        self._ending: list[Job] = []  # reaped, but something of them may be left
        self._sessions: dict[int, Job] = {}
        self._marks: dict[tuple[str, ...], Job] = {}
        self._look_at = math.inf  # before then no job's time is over
        self._suspects: dict[int, set[int]] = {}  # strays without a mark: the jobs they may belong to
        self._received = b""
        self._fds: deque[int] = deque()
        self._unsent = bytearray()

    def run(self) -> None:
        """Serve until the channel closes, then leave nothing alive."""
        wake, alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        while True:
            poll.register(self._channel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            ready = dict(poll.poll(self._patience()))
            if wake in ready:
                os.read(wake, 4096)
            told = ready.get(self._channel.fileno(), 0)
            if told & select.POLLHUP or (told & select.POLLIN and not self._receive()):
                break  # orders that a dead runner left are not begun
            self._reap()
            self._kill_overdue()
            self._settle()
            if not self._flush():
                break
        self._kill_everything()

    def _patience(self) -> float | None:
        """Return for how many milliseconds nothing needs to be done unless something happens."""
        if self._ending:
            return LOOK_AGAIN_MILLISECONDS
        if self._look_at == math.inf:
            return None
        return max(self._look_at - time.monotonic(), 0.0) * 1000 + 1

    # The channel.

    def _receive(self) -> bool:
        """Carry out the orders that came; return False when the runner is gone."""
        try:
            data, ancillary, _, _ = self._channel.recvmsg(
                2**16, socket.CMSG_SPACE(64 * 4), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                self._fds.extend(fds)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order["do"] == "spawn":
                self._spawn(
                    order["id"],
                    argv=order["argv"],
                    env=order["env"],
                    cwd=order["cwd"],
                    output=self._fds.popleft(),
                    standard_input=self._fds.popleft() if order["stdin"] else None,
                    until=order["until"],
                )
            elif (job := self._jobs.get(order["id"])) is None:
                continue
            elif order["do"] == "hold":
                job.until = order["until"]
                self._look_at = min(self._look_at, job.until)
            else:
                self._signal(job, number=order["signal"])
        return bool(data)

    def _tell(self, **event: object) -> None:
        self._unsent += json.dumps(event).encode() + b"\n"

    def _flush(self) -> bool:
        """Send what the runner can take now, never waiting for it: it may be waiting for us."""
        try:
            while self._unsent:
                del self._unsent[: self._channel.send(self._unsent, socket.MSG_DONTWAIT)]
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        return True

    # Work.

    def _spawn(
        self,
        serial: int,
        *,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        output: int,
        standard_input: int | None,
        until: float,
    ) -> None:
        try:
            if until <= time.monotonic():
                raise SpawnError("until", error="it came too late")  # we or its runner may have been frozen
            pid = spawn(
                argv,
                env=env,
                cwd=cwd,
                output=output,
                standard_input=0 if standard_input is None else standard_input,  # ours: /dev/null
                uid=self._uid,
            )
        except SpawnError as error:
            self._tell(event="failed", id=serial, what=error.what, error=str(error))
        else:
            job = Job(serial=serial, pid=pid, mark=mark_of(env), until=until)
            self._look_at = min(self._look_at, until)
            self._jobs[serial] = self._leaders[pid] = self._sessions[pid] = self._marks[job.mark] = job
            self._tell(event="spawned", id=serial, at=time.monotonic())
        finally:
            os.close(output)
            if standard_input is not None:
                os.close(standard_input)

    def _signal(self, job: Job, *, number: int) -> None:
        """Signal the group, unless the work has ended by itself: then its true outcome holds."""
        if job.ended is None:
            if os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return
            job.signalled = True
        job.killing = job.killing or number == signal.SIGKILL
        if not job.group_gone:
            signal_group(job.pid, number=number)

    def _kill_overdue(self) -> None:
        """Kill what may go on no longer: its runner, frozen perhaps, did not say otherwise in time."""
        now = time.monotonic()
        if now < self._look_at:
            return
        for job in self._jobs.values():
            if job.until <= now and not job.killing:
                self._signal(job, number=signal.SIGKILL)
        self._look_at = min((job.until for job in self._jobs.values() if job.until > now), default=math.inf)

    def _reap(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            job = self._leaders.pop(found.si_pid, None)
            if job is not None:
                job.ended = (found.si_status, None) if found.si_code == os.CLD_EXITED else (None, found.si_status)
                self._ending.append(job)
                # After a TERM the rest of the group keeps its grace; after an end of its own nothing may stay.
                if not job.signalled:
                    job.killing = True
                    signal_group(job.pid, number=signal.SIGKILL)  # still a zombie: the number is its own
            os.waitpid(found.si_pid, 0)

    def _settle(self) -> None:
        """Report the jobs of which nothing is left; kill what is left of the others."""
        if not self._ending:
            return
        held: set[int] = set()
        for job in self._ending:
            # A group with a member keeps its number: nobody else is hit.
            if not job.group_gone and signal_group(job.pid, number=signal.SIGKILL if job.killing else 0):
                held.add(job.serial)
            else:
                job.group_gone = job.killing = True
        held |= self._kill_strays(spare={job.serial for job in self._jobs.values() if not job.killing})
        for job in [job for job in self._ending if job.serial not in held]:
            self._forget(job)
            exit_code, number = job.ended or (None, None)
            self._tell(event="exited", id=job.serial, exit_code=exit_code, signal=number, signalled=job.signalled)

    def _forget(self, job: Job) -> None:
        self._ending.remove(job)
        del self._jobs[job.serial]
        if self._sessions.get(job.pid) is job:
            del self._sessions[job.pid]
        if self._marks.get(job.mark) is job:
            del self._marks[job.mark]

    def _kill_strays(self, *, spare: set[int]) -> set[int]:
        """Kill processes that left their group and whose job is over; return the jobs that wait for that."""
        held: set[int] = set()
        strays = [pid for pid in children(self._pid) if pid not in self._leaders]
        self._suspects = {pid: jobs for pid, jobs in self._suspects.items() if pid in strays}
        for pid in strays:
            owners = self._owners(pid)
            if owners is None:
                # Its children become ours only when it is dead: whatever ends waits until it is reaped.
                held.update(job.serial for job in self._ending)
            elif not owners & spare:
                held |= owners
                signal_process(pid, number=signal.SIGKILL)
        return held

    def _owners(self, pid: int) -> set[int] | None:
        """Return the jobs that a stray may belong to (none: one that is over), or None if it is dying."""
        if (job := self._sessions.get(session(pid) or 0)) is not None:
            return {job.serial}
        try:
            found = mark(pid)
        except ProcessLookupError:
            return None
        except OSError:
            found = None
        if found is not None:
            job = self._marks.get(found)
            return set() if job is None else {job.serial}
        # It hides whose it is: it may live as long as any job does that could have made it.
        return self._suspects.setdefault(pid, set(self._jobs))

    def _kill_everything(self) -> None:
        for job in self._jobs.values():
            if not job.group_gone:
                signal_group(job.pid, number=signal.SIGKILL)
        while True:
            for pid in children(self._pid):
                signal_process(pid, number=signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def main(argument: str) -> None:
    """Serve the channel named in the orders: `{"channel": fd, "uid", "gid", "groups"}`, uid null for our own user."""
    orders = json.loads(argument)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # the runner's end is our end, nothing else
    for fd in os.listdir("/proc/self/fd"):
        if int(fd) > 2:  # the channel and the lock are not the work's
            with contextlib.suppress(OSError):
                os.set_inheritable(int(fd), False)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    os.umask(0o022)
    if orders["uid"] is not None:
        os.setgroups(orders["groups"])
        os.setresgid(orders["gid"], orders["gid"], orders["gid"])
    Guardian(socket.socket(fileno=orders["channel"]), uid=orders["uid"]).run()
