"""The directories of the work: one private directory per attempt, removed afterwards.

A directory's name, `JOB-ATTEMPT`, is also the record of what this runner has at work, for the one that starts after
it was killed.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import queue
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners.agent.account import Account
from runners.agent.exceptions import ConfigurationError
from runners.agent.protocol import Key

logger = logging.getLogger(__name__)


def choose_root(state_dir: Path, *, account: Account) -> Path:
    """Return the directory, made if need be, that the attempts' directories lie in.

    Below `state_dir`; but where the work's user may not pass through to there, in the system's directory for temporary
    files. Raise ConfigurationError if it cannot be made or somebody else made it.
    """
    root = state_dir / "work"
    if account.switches and not account.may_enter(state_dir):
        digest = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
        root = Path(tempfile.gettempdir()) / f"taskpipeline-runner-{digest}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        status = root.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise ConfigurationError(f"{root} is not a directory of ours: remove it and start again.")
        root.chmod(0o711 if account.switches else 0o700)
    except OSError as error:
        raise ConfigurationError(f"Cannot make {root} for the work: {error.strerror}.") from error
    return root


# Empty directories that are kept for the next attempts: to make one and remove it takes twenty times as long as two
# renames, and where a database shares the disk it waits for its commits.
_SPARE = 256


class Workspace:
    """Makes and removes directories; big ones are removed by a thread, so that nobody waits."""

    def __init__(self, root: Path, *, account: Account) -> None:
        self._root = root
        self._account = account
        self._spare: list[Path] = []
        self._spares = itertools.count(1)
        self._rubbish: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._remover = threading.Thread(target=self._remove_rubbish, name="workspace", daemon=True)
        self._remover.start()

    def make(self, key: Key) -> Path:
        """Return a fresh directory that only the work's user may enter; raise OSError if there can be none."""
        path = self._path(key)
        if self._spare:
            os.rename(self._spare.pop(), path)
            return path
        os.mkdir(path, mode=0o700)
        if self._account.switches:
            os.chown(path, self._account.uid, self._account.gid)
        return path

    def remove(self, key: Key) -> None:
        """Remove the directory with all that is in it, soon."""
        path = self._path(key)
        try:
            if len(self._spare) < _SPARE and self._is_as_made(path):
                spare = self._root / f"spare-{next(self._spares)}"
                os.rename(path, spare)
                self._spare.append(spare)
            else:
                os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            self._rubbish.put(path)

    def close(self) -> None:
        """Wait until everything is removed."""
        for spare in self._spare:
            os.rmdir(spare)
        self._rubbish.put(None)
        self._remover.join()

    def _is_as_made(self, path: Path) -> bool:
        """Tell whether the work has left the directory as it was given it: nothing in it, nothing changed of it."""
        status = os.lstat(path)
        return (
            status.st_mode == stat.S_IFDIR | 0o700
            and status.st_uid == self._account.uid
            and not os.listdir(path)
            and not os.listxattr(path)
        )

    def _path(self, key: Key) -> Path:
        return self._root / f"{key[0]}-{key[1]}"

    def _remove_rubbish(self) -> None:
        while (path := self._rubbish.get()) is not None:
            remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a directory, also what the work left without write permission; log what cannot be removed."""
    try:
        shutil.rmtree(path, onerror=_allow_and_retry)
    except OSError as error:
        logger.warning("directory of the work not removed", extra={"path": str(path), "error": str(error)})


def _allow_and_retry(function: Callable[..., Any], path: str, _: Any) -> None:
    for place in (os.path.dirname(path), path):
        if stat.S_ISDIR(os.lstat(place).st_mode):
            os.chmod(place, 0o700)
    if function in (os.unlink, os.rmdir):
        function(path)
    else:  # it could not be listed or opened: once more from here
        shutil.rmtree(path)
