"""Give the test session its own PostgreSQL and Redis (a plugin, named in pyproject.toml).

They start before Django reads its settings, once for all processes of the session, and live in a directory of
their own: never in the developer's VAR_DIR. Servers named by DATABASE_URL and REDIS_URL are used instead.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from taskpipeline.engines.embedded import start

PREFIX = "taskpipeline-tests-"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Set the environment that the settings will read; a worker of xdist finds it set by its controller."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        var_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
        early_config.add_cleanup(lambda: shutil.rmtree(var_dir, ignore_errors=True))
        named = {name: os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL")}
        engines = start(var_dir, postgres=not named["DATABASE_URL"], redis=not named["REDIS_URL"], durable=False)
        early_config.add_cleanup(engines.stop)  # before the directory goes: last in, first out
        os.environ["VAR_DIR"] = str(var_dir)
        os.environ["DATABASE_URL"] = named["DATABASE_URL"] or engines.urls.database_url
        os.environ["REDIS_URL"] = named["REDIS_URL"] or engines.urls.redis_url
    yield
