"""What a kind's executor makes of a request: a command for the guardian to start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from runners.agent.account import Account
from runners.agent.protocol import ExecuteRequest

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start; without `cwd` it gets a fresh private directory."""

    argv: tuple[str, ...] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    cwd: str | None = None
    stdin: bytes | None = field(default=None, repr=False)


# Raises StartError where the request's params do not make a command.
Executor: TypeAlias = Callable[[ExecuteRequest, Account], Command]


def environment(request: ExecuteRequest, *, account: Account, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the work: nothing of ours but PATH and LANG.

    TASKPIPELINE_JOB and TASKPIPELINE_ATTEMPT cannot be changed by `extra`: strays are told by them.
    """
    return {
        "PATH": os.environ.get("PATH", _DEFAULT_PATH),
        "HOME": account.home,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        **extra,
        "TASKPIPELINE_JOB": str(request.job),
        "TASKPIPELINE_ATTEMPT": str(request.attempt),
    }
