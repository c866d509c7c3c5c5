"""Shell: the command of the params, run by a shell or as is."""

from __future__ import annotations

import shlex

from runners.agent.account import Account
from runners.agent.command import Command, environment
from runners.agent.exceptions import StartError
from runners.agent.protocol import ExecuteRequest

_DEFAULT_SHELL = "/bin/sh -c"


def shell_command(request: ExecuteRequest, account: Account) -> Command:
    """Return the command of a Shell request."""
    params = request.params
    command = params.get("command")
    if isinstance(command, str):
        shell = params.get("shell") or _DEFAULT_SHELL
        argv = [*(shlex.split(shell) if isinstance(shell, str) else shell), command]
    else:
        argv = list(command or ())
    if not argv or not all(isinstance(word, str) for word in argv):
        raise StartError("'command' is neither a text nor a list of texts; correct the job's params.")
    stdin = params.get("stdin")
    return Command(
        argv=tuple(argv),
        env=environment(request, account=account, extra=params.get("env") or {}),
        cwd=params.get("cwd") or None,
        stdin=None if stdin is None else stdin.encode(),
    )
