"""The runner's end of the guardian: the only place of the agent that starts a process."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from runners.agent.account import Account
from runners.agent.command import Command
from runners.agent.exceptions import GuardianLostError

GUARDIAN = "runners.agent.guardian"
_ROOT = Path(__file__).resolve().parents[2]
# In isolated mode, without site-packages: it starts in 20 ms and holds a few MiB.
_START = f"import sys; sys.path.insert(0, sys.argv[1]); from {GUARDIAN} import main; main(sys.argv[2])"
_INHERITED = ("PATH", "LANG", "LD_LIBRARY_PATH")
_CLOSE_SECONDS = 10
_FDS_AT_ONCE = 32  # the guardian makes room for twice as many


class Guard:
    """A channel to the guardian process, which lives exactly as long as it does.

    What is asked for gathers until `flush`: many orders wake the guardian once.
    """

    def __init__(self, channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._channel = channel
        self._process = process
        self._received = b""
        self._orders: list[bytes] = []
        self._fds: list[int] = []

    @classmethod
    def start(cls, *, account: Account, keep: Sequence[int] = ()) -> Self:
        """Start a guardian; it holds the descriptors in `keep` open until it has ended all work."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        orders = {
            "channel": theirs.fileno(),
            "uid": account.uid if account.switches else None,
            "gid": account.gid,
            "groups": account.groups,
        }
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own file, run by our own interpreter
                [sys.executable, "-I", "-S", "-c", _START, str(_ROOT), json.dumps(orders)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
                pass_fds=(theirs.fileno(), *keep),
                start_new_session=True,
            )
        return cls(ours, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._channel.fileno()

    def spawn(self, serial: int, *, command: Command, cwd: str, output: int, stdin: int | None, until: float) -> None:
        """Ask for a process; `spawned` or `failed` follows, then `exited`. Takes over the descriptors, to close them.

        Unless `hold` is called in time it is killed at `until`, by the monotonic clock, whatever has become of us.
        """
        order = {
            "do": "spawn",
            "id": serial,
            "argv": command.argv,
            "env": command.env,
            "cwd": cwd,
            "stdin": stdin is not None,
            "until": until,
        }
        self._fds += [output] if stdin is None else [output, stdin]
        self._order(order)
        if len(self._fds) >= _FDS_AT_ONCE:
            self.flush()

    def signal(self, serial: int, *, number: signal.Signals) -> None:
        """Ask for a signal to the whole group; nothing happens if the work has ended."""
        self._order({"do": "signal", "id": serial, "signal": int(number)})

    def hold(self, serial: int, *, until: float) -> None:
        """Let the work go on until then, which may be earlier than before."""
        self._order({"do": "hold", "id": serial, "until": until})

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the guardian has told; raise GuardianLostError when it is gone."""
        try:
            data = self._channel.recv(2**16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            raise GuardianLostError("the guardian process ended")
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            yield json.loads(line)

    def flush(self) -> None:
        """Send what was asked for; that the guardian is gone `events` tells, once for all."""
        if not self._orders:
            return
        data = memoryview(b"".join(self._orders))
        try:
            if self._fds:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._fds))
                data = data[self._channel.sendmsg([data], [rights]) :]
            self._channel.sendall(data)
        except ConnectionError:
            pass
        finally:
            self._forget_orders()

    def close(self) -> None:
        """Let the guardian end, and all that is still at work with it."""
        self._forget_orders()
        self._channel.close()
        self._process.wait(timeout=_CLOSE_SECONDS)

    def _order(self, order: dict[str, Any]) -> None:
        self._orders.append(json.dumps(order).encode() + b"\n")

    def _forget_orders(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._orders, self._fds = [], []
