"""Databases of the baselines' PostgreSQL, with the service's tables in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from benchmarks.programs import ROOT, environment
from taskpipeline.engines.records import Urls

TEMPLATE = "bench_template"


class Databases:
    """Makes databases that hold the service's tables, empty; migrated once, copied from then on."""

    def __init__(self, urls: Urls, *, var_dir: Path) -> None:
        self._urls = urls
        self._var_dir = var_dir
        self._create(TEMPLATE)
        env = self._environment(TEMPLATE)
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True)

    def make(self, name: str, **settings: str) -> Mapping[str, str]:
        """Make a database and return the environment of a program that works on it, the service's settings added."""
        self._create(name, template=TEMPLATE)
        return self._environment(name) | settings

    def _create(self, name: str, *, template: str = "template1") -> None:
        with psycopg.connect(self._urls.database_url, autocommit=True) as connection:
            # A copy of the files: through the log a database of many indexes takes longer.
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'.encode())

    def _environment(self, database: str) -> dict[str, str]:
        url = urlsplit(self._urls.database_url)._replace(path=f"/{database}").geturl()
        return {**environment(VAR_DIR=str(self._var_dir), DATABASE_URL=url, REDIS_URL=self._urls.redis_url)}
