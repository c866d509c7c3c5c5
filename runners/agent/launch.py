"""Become the agent: the same process, without what started it and without its secrets in the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from runners.agent.config import Config

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE",
    "TMPDIR", "TZ", "VIRTUAL_ENV",
)  # fmt: skip


def become_agent(config: Config) -> NoReturn:
    """Replace this process by the agent.

    The configuration travels in a file in memory: neither in the arguments nor in the environment, which others can
    read. Django and all it loaded is gone then, which halves the memory.
    """
    fd = os.memfd_create("runner-config", 0)
    os.write(fd, config.to_json().encode())
    os.lseek(fd, 0, os.SEEK_SET)
    env = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"PYTHONPATH": str(_ROOT)}
    sys.stdout.flush()
    sys.stderr.flush()
    argv = [sys.executable, "-m", "runners.agent", config.name, str(fd)]
    os.execve(sys.executable, argv, env)  # noqa: S606  # our own interpreter
