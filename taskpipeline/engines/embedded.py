"""Start the embedded engines, watch them, stop them."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from taskpipeline.engines import records
from taskpipeline.engines.engine import SOCKET_DIR_PREFIX, Engine
from taskpipeline.engines.exceptions import EngineError
from taskpipeline.engines.postgres import Postgres
from taskpipeline.engines.processes import Process
from taskpipeline.engines.records import Entry, Urls
from taskpipeline.engines.redis_server import Redis

LOCK = "engines.lock"


class Engines:
    """The engines of one VAR_DIR, held by one process at a time."""

    def __init__(self, var_dir: Path, *, kinds: Sequence[type[Engine]], durable: bool) -> None:
        self.var_dir = var_dir
        self._kinds = kinds
        self._durable = durable
        self._lock: IO[bytes] | None = None
        self.members: list[Engine] = []

    @property
    def urls(self) -> Urls:
        """Where the engines answer; the same again after a restart of one of them."""
        found = {engine.name: engine.url for engine in self.members}
        return Urls(database_url=found.get("postgres", ""), redis_url=found.get("redis", ""))

    def start(self) -> None:
        """Start all, after what a killed predecessor left has been cleared away.

        Raises EngineError, with everything stopped again, if one does not start.
        """
        self.var_dir.mkdir(parents=True, exist_ok=True)
        (self.var_dir / "log").mkdir(exist_ok=True)
        self._lock = _lock(self.var_dir / LOCK)
        try:
            clear(self.var_dir)
            for kind in self._kinds:
                self.members.append(kind(self.var_dir, durable=self._durable))
                self._record()  # the socket directory is known to the next start, whatever becomes of this one
            for engine in self.members:
                engine.start()
                self._record()
        except BaseException:
            self.stop()
            raise

    def poll(self) -> list[Engine]:
        """Return the engines whose process has died."""
        return [engine for engine in self.members if engine.poll() is not None]

    def revive(self, engine: Engine) -> None:
        """Start a dead engine again at its old address; raise EngineError if it will not."""
        engine.start()
        self._record()

    def stop(self) -> None:
        """Stop all, last started first, each whatever becomes of the others; a second call does nothing."""
        with ExitStack() as stack:
            for engine in self.members:
                stack.callback(engine.stop)
            self.members = []
        if self._lock:
            (self.var_dir / records.FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _record(self) -> None:
        entries = {}
        for engine in self.members:
            up = Process.of(engine.process.pid) if engine.process else None
            pid, started = (up.pid, up.started) if up else (0, "")
            entries[engine.name] = Entry(engine.url, str(engine.socket_dir), pid, started)
        records.write(self.var_dir, entries)


def start(var_dir: Path, *, postgres: bool = True, redis: bool = True, durable: bool = True) -> Engines:
    """Start the engines wanted under VAR_DIR and return them once they answer.

    Raises EngineError if another process holds the engines of this VAR_DIR, or one does not start. Call from the
    main thread: the engines end with the thread that started them. `durable=False` gives up safety against a power
    cut, for tests.
    """
    kinds: list[type[Engine]] = [Postgres] if postgres else []
    kinds += [Redis] if redis else []
    engines = Engines(var_dir, kinds=kinds, durable=durable)
    engines.start()
    return engines


def _lock(path: Path) -> IO[bytes]:
    """Take the lock, which the system gives back however we end."""
    lock = path.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise EngineError(
            f"The engines under {path.parent} belong to another process that runs. Stop it, or choose another VAR_DIR."
        ) from None
    return lock


def clear(var_dir: Path) -> None:
    """End what a killed predecessor left running, and remove its socket directories and nothing else."""
    for kind in (Postgres, Redis):
        kind.end_strays(var_dir)
    for entry in records.read(var_dir).values():
        socket_dir = Path(entry.socket_dir)
        if socket_dir.name.startswith(SOCKET_DIR_PREFIX) and not socket_dir.is_symlink():
            shutil.rmtree(socket_dir, ignore_errors=True)
