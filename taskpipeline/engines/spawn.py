"""Start a program in a session of its own, through the launcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from taskpipeline.engines.account import Account

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the launcher is to do before it becomes the program."""

    parent: int
    death_signal: int
    uid: int | None = None
    gid: int | None = None
    needs: Sequence[str] = ()


def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int,
    errors: IO[bytes] | int = subprocess.STDOUT,
    death_signal: int,
    account: Account | None = None,
    needs: Sequence[Path] = (),
) -> subprocess.Popen[bytes]:
    """Start the program (an absolute path), out of reach of the terminal's Ctrl-C.

    It gets `death_signal` when the calling *thread* ends (Linux counts threads here), so call from the main one.
    With an account it runs as that user, able to read the paths it needs.
    """
    orders = Orders(
        parent=os.getpid(),
        death_signal=death_signal,
        uid=account.uid if account else None,
        gid=account.gid if account else None,
        needs=[str(path) for path in needs],
    )
    return subprocess.Popen(  # noqa: S603  # a list of arguments made by this project, no shell
        [sys.executable, "-I", "-S", LAUNCHER, json.dumps(asdict(orders)), *argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
    )
