"""The web server of production on the tests' database: what a test client cannot show."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from tests.concurrency import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[1]
Address = tuple[str, int]


@contextmanager
def gunicorn(var_dir: Path, *, workers: int = 1, **environment: str) -> Iterator[Address]:
    """Start the web server as the stack does, with these settings; yield its address."""
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    listener = socket.create_server(("127.0.0.1", 0))
    environment = {**os.environ, "DATABASE_URL": database, "VAR_DIR": str(var_dir), **environment}
    command = [sys.executable, "-m", "gunicorn", "taskpipeline.wsgi", "--bind", f"fd://{listener.fileno()}"]
    command += ["--worker-class", "gthread", "--workers", str(workers), "--threads", "4", "--preload"]
    command += ["--no-control-socket", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()]) as server:
        try:
            yield listener.getsockname()
        finally:
            server.terminate()
            server.wait(PATIENCE_SECONDS)
            listener.close()
