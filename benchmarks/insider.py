"""Ask a program of `benchmarks.inside`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.programs import ROOT, NotReady


class Insider:
    """A program that answers one question at a time."""

    def __init__(self, process: subprocess.Popen[str], *, log: Path) -> None:
        self._process = process
        self._log = log

    def ask(self, question: str, **arguments: Any) -> Any:
        """Return the program's answer; raise NotReady if it has ended."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([question, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise NotReady(f"no answer to {question!r}; the end of {self._log}:\n{self._log.read_text()[-2000:]}")
        return json.loads(line)


@contextmanager
def started(program: str, *, env: Mapping[str, str], log: Path) -> Iterator[Insider]:
    """Start the program, and end it by the end of its input."""
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.inside.{program}"],
            cwd=ROOT, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    with process:
        yield Insider(process, log=log)
