"""The kinds that this process can execute: one executor each, in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping

from runners.agent.command import Executor
from runners.agent.shell import shell_command

EXECUTORS: Mapping[str, Executor] = {"Shell": shell_command}
