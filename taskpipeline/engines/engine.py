"""What both engines share: a private socket directory, a process, a log, an end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taskpipeline.engines import processes
from taskpipeline.engines.account import Account
from taskpipeline.engines.exceptions import EngineError
from taskpipeline.engines.spawn import spawn

SOCKET_DIR_PREFIX = "taskpipeline-"
START_SECONDS = 120.0  # PostgreSQL may have a crash to recover from
POLL_SECONDS = 0.02
LOG_LIMIT_BYTES = 10 * 2**20
# Nothing of ours reaches an engine: neither the service's secrets nor a PGPORT of the developer's shell.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Engine(ABC):
    """One embedded server. It may be started again, at the same address, after its process has died."""

    name: ClassVar[str]
    command: ClassVar[str]  # as the system lists the process
    state: ClassVar[str]  # where its process works and keeps its state, below VAR_DIR
    ends: ClassVar[tuple[tuple[signal.Signals, float], ...]]  # signals, and seconds to wait after each

    def __init__(self, var_dir: Path, *, durable: bool) -> None:
        self.var_dir = var_dir
        self.home = var_dir / self.name
        self.state_dir = var_dir / self.state
        self.log = var_dir / "log" / f"{self.name}.log"
        self.durable = durable
        self.account = self.choose_account()
        self.socket_dir = make_socket_dir(account=self.account)
        self.process: subprocess.Popen[bytes] | None = None

    def choose_account(self) -> Account | None:
        """Return the user to run as, or None to stay who we are."""
        return None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it answers."""

    @abstractmethod
    def prepare(self) -> None:
        """Make its state ready to be served; nobody serves it now."""

    @abstractmethod
    def argv(self) -> Sequence[str | os.PathLike[str]]:
        """Return the command line."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether it takes connections."""

    def needs(self) -> Sequence[Path]:
        """Return what its account must be able to read."""
        return ()

    def start(self) -> None:
        """Start the process and wait until it answers; raise EngineError with the end of its log if it does not."""
        self.end_strays(self.var_dir)
        for stale in self.socket_dir.iterdir():
            stale.unlink()
        self.prepare()
        self.process = self.spawn(self.argv())
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise EngineError(f"{self.name} did not start. The end of {self.log}:\n{tail(self.log)}")
            time.sleep(POLL_SECONDS)

    def poll(self) -> int | None:
        """Return the exit code if the process has died, None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """End the process, the clean way first, and remove its socket directory."""
        if self.process:
            for number, seconds in self.ends:
                if self.process.poll() is not None:
                    break
                self.process.send_signal(number)
                try:
                    self.process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
            self.end_strays(self.var_dir)
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    @classmethod
    def end_strays(cls, var_dir: Path) -> None:
        """End every process that still works on this state: a predecessor's, or one that lost its parent."""
        strays = processes.working_in(var_dir / cls.state, command=cls.command)
        if left := processes.end(strays, steps=cls.ends):
            raise EngineError(f"Process {left[0].pid}, a {cls.command} on {var_dir / cls.state}, cannot be stopped.")

    def spawn(self, argv: Sequence[str | os.PathLike[str]]) -> subprocess.Popen[bytes]:
        """Start a program as the engine's account, its output in the engine's log."""
        rotate(self.log)
        with self.log.open("ab") as output:
            return spawn(
                argv,
                env=ENVIRONMENT,
                cwd=self.home,
                output=output,
                death_signal=self.ends[0][0],
                account=self.account,
                needs=self.needs(),
            )


def make_socket_dir(*, account: Account | None) -> Path:
    """Make a private directory with a short name: a socket's whole path has to fit into some 100 bytes."""
    parent = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None  # noqa: S108  # mkdtemp makes it safe
    directory = Path(tempfile.mkdtemp(prefix=SOCKET_DIR_PREFIX, dir=parent))
    if account:
        os.chown(directory, account.uid, account.gid)
    return directory


def rotate(log: Path) -> None:
    """Empty a log that has grown large, keeping what it held as the one older generation.

    It is copied, not moved: who writes to it (appending) goes on in the same file.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def tail(log: Path, *, lines: int = 12) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
