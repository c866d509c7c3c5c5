"""What runs under VAR_DIR, written down in engines.json for the processes beside and after us."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from taskpipeline.engines.processes import Process

FILE = "engines.json"


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the engines answer; "" for one that is not embedded or not up."""

    database_url: str = ""
    redis_url: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One engine: where it answers, the directory of its socket, and its process (pid 0: not up yet)."""

    url: str
    socket_dir: str
    pid: int = 0
    started: str = ""

    def alive(self) -> bool:
        """Tell whether the engine's process runs."""
        return self.pid > 0 and Process(self.pid, self.started).alive()


def read(var_dir: Path) -> dict[str, Entry]:
    """Return the entries by engine; none where nothing is written or what is written cannot be read."""
    try:
        found = json.loads((var_dir / FILE).read_bytes())
        return {str(name): Entry(**entry) for name, entry in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write(var_dir: Path, entries: dict[str, Entry]) -> None:
    """Replace the file in one step: a reader sees the old entries or the new ones."""
    partial = var_dir / f"{FILE}.partial"
    partial.write_text(json.dumps({name: asdict(entry) for name, entry in entries.items()}, indent=1) + "\n")
    os.replace(partial, var_dir / FILE)


def running(var_dir: Path) -> Urls | None:
    """Return where the engines under VAR_DIR answer, or None if none of them is up.

    Cheap: one small file and a look at the processes it names. Nothing is connected to.
    """
    entries = read(var_dir)
    found = {
        field: entries[name].url
        for name, field in (("postgres", "database_url"), ("redis", "redis_url"))
        if name in entries and entries[name].alive()
    }
    return Urls(**found) if found else None
