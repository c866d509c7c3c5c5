"""The user that the work runs as."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from runners.agent.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine; `switches` if it is another than the one this process runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    switches: bool

    def may_enter(self, path: Path) -> bool:
        """Tell whether the user may pass through the directory and all above it."""
        return all(self._may_search(os.stat(step)) for step in (path, *path.parents))

    def _may_search(self, status: os.stat_result) -> bool:
        if self.uid == 0:
            return True
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid or status.st_gid in self.groups:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def current() -> Account:
    """Return the user that this process runs as."""
    uid = os.geteuid()
    try:
        home = pwd.getpwuid(uid).pw_dir
    except KeyError:  # a container with a number for a user
        home = os.environ.get("HOME", "/")
    return Account(uid=uid, gid=os.getegid(), groups=tuple(os.getgroups()), home=home, switches=False)


def named(name: str) -> Account:
    """Return the user of that name; raise ConfigurationError if there is none or we may not become it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConfigurationError(f"--user {name}: this machine has no such user.") from None
    if entry.pw_uid == os.geteuid():
        return current()
    if os.geteuid() != 0:
        raise ConfigurationError(f"--user {name}: only root can run work as another user.")
    groups = {group.gr_gid for group in grp.getgrall() if name in group.gr_mem} | {entry.pw_gid}
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, groups=tuple(sorted(groups)), home=entry.pw_dir, switches=True)
