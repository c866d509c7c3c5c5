"""Run the bare Django project under the web server of the stack, with the very same words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.connection import Address, Connection
from benchmarks.programs import ROOT, environment, eventually, free_port, running
from taskpipeline.stack.address import Address as Listening
from taskpipeline.stack.programs import programs


class Bare:
    """The project, up."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def insert(self, document: bytes) -> bytes:
        """Return the request that inserts a row."""
        return self.address.request("POST", "/things/", body=document)

    def show(self) -> bytes:
        """Return the request that shows the first row."""
        return self.address.request("GET", "/things/1/")


@contextmanager
def started(directory: Path, *, database_url: str) -> Iterator[Bare]:
    """Start the project on the database, make its table and a first row, and stop it at the end."""
    directory.mkdir()
    env = environment(DATABASE_URL=database_url, DJANGO_SETTINGS_MODULE="benchmarks.bare.settings")
    migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=dict(env), check=True)
    address = Address("127.0.0.1", free_port())
    with running(*_web(address, env=env), env=env, log=directory / "web.log"):
        bare = Bare(address)
        eventually(lambda: _answers(address, bare.insert(b'{"jobs": [1, 2, 3]}')), what="the bare project to come up")
        yield bare


def _web(address: Address, *, env: Mapping[str, str]) -> list[str]:
    """Return the words of the stack's web process, with this project in the service's place."""
    web, *_ = programs(
        {**env, "REDIS_URL": ""},
        address=Listening(address.host, address.port),
        manage=ROOT / "manage.py",
        tools=ROOT,
        stop_grace_seconds=0,
    )
    return [{"taskpipeline.wsgi": "benchmarks.bare.wsgi"}.get(word, word) for word in web.argv[1:]]


def _answers(address: Address, request: bytes) -> bool:
    try:
        with Connection(address) as connection:
            return bool(connection.ask(request))
    except OSError:
        return False
