"""The user PostgreSQL runs as: it refuses to run as root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from taskpipeline.engines.exceptions import EngineError


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


def account_for(directory: Path) -> Account | None:
    """Return the user to run as with its state in this directory, or None to stay who we are.

    A directory that exists stays its owner's, whoever starts the engine next.
    """
    me = os.geteuid()
    owner = directory.stat() if directory.exists() else None
    if me != 0:
        if owner and owner.st_uid != me:
            raise EngineError(
                f"{directory} belongs to another user (number {owner.st_uid}). "
                "Start as that user or as root, or choose another VAR_DIR."
            )
        return None
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise EngineError("PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody` here.")


def own(directory: Path, *, account: Account | None) -> None:
    """Make the private directory, given to the account, unless it exists."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return
    if account:
        os.chown(directory, account.uid, account.gid)
