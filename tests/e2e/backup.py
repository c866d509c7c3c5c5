"""Backup and restore as docs/operations.md has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from taskpipeline.engines import binaries, embedded

_PROGRAMS = binaries.postgres_home() / "bin"


def back_up(database_url: str, dump: Path) -> Path:
    """Write the database, as it stands at this moment, into the file."""
    subprocess.run([_PROGRAMS / "pg_dump", "--format=custom", f"--file={dump}", database_url], check=True)
    return dump


def restore(dump: Path, former: Path, *, into: Path) -> None:
    """Make a VAR_DIR whose database is the dump, with the former one's SECRET_KEY and client, and an empty Redis."""
    engines = embedded.start(into)
    try:
        options = ["--no-owner", "--exit-on-error", f"--dbname={engines.urls.database_url}"]
        subprocess.run([_PROGRAMS / "pg_restore", *options, dump], check=True)
    finally:
        engines.stop()
    shutil.copy(former / "secret.key", into)
    shutil.copytree(former / "clients", into / "clients")
