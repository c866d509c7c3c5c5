"""Start programs of this checkout, and end them whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 120.0
# What tells a program of somebody else's engines, stack or settings.
_NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "PORT", "DJANGO_SETTINGS_MODULE", "SECRET_KEY")


class NotReady(Exception):
    """A program did not come up, or something did not happen in time."""


def environment(**more: str) -> Mapping[str, str]:
    """Return the environment of a program: ours, less what is not its business."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | more


@contextmanager
def running(*words: str, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with these words, its output in a file, while the context is entered; then end it with TERM."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=dict(env), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def eventually(look: Callable[[], bool], *, what: str, seconds: float = PATIENCE_SECONDS, pause: float = 0.02) -> None:
    """Wait until it is so; raise NotReady after so long."""
    until = time.monotonic() + seconds
    while not look():
        if time.monotonic() > until:
            raise NotReady(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
