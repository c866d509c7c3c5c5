"""A statement that never ends and a transaction that nobody goes on with are ended by the database; migrations not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.commands import migrate as of_django
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable, QueryCanceled

from taskpipeline.management.commands import migrate
from taskpipeline.patience import session_options, unhurried
from tests.concurrency import eventually, held_elsewhere

LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")


def limits() -> list[str]:
    with connection.cursor() as cursor:
        return [cursor.execute(f"SHOW {name}").fetchone()[0] for name in LIMITS]


@contextmanager
def session(**seconds: float) -> Iterator[psycopg.Connection]:
    """A connection that begins as the service's do, with these limits."""
    values = {"statement_timeout_seconds": 0.0, "idle_transaction_timeout_seconds": 0.0, **seconds}
    parameters = connection.get_connection_params()
    named = {name: parameters[name] for name in ("dbname", "host", "port", "user", "password") if name in parameters}
    with psycopg.connect(**named, options=session_options("", **values)) as opened:
        yield opened


@pytest.mark.django_db
def test_the_service_s_connections_have_both_limits() -> None:
    assert limits() == ["30s", "1min", "0"]


def test_what_the_url_names_wins_and_0_leaves_it_to_the_server() -> None:
    both = session_options("-c geqo=off", statement_timeout_seconds=0.5, idle_transaction_timeout_seconds=7)
    assert both == "-c statement_timeout=500 -c idle_in_transaction_session_timeout=7000 -c geqo=off"
    assert session_options("", statement_timeout_seconds=0, idle_transaction_timeout_seconds=0) == ""


@pytest.mark.django_db
def test_a_statement_without_end_is_ended() -> None:
    with session(statement_timeout_seconds=0.1) as opened, pytest.raises(QueryCanceled):
        opened.execute("SELECT pg_sleep(600)")


@pytest.mark.django_db
def test_a_transaction_that_nobody_goes_on_with_is_ended() -> None:
    with session(idle_transaction_timeout_seconds=0.1) as opened:
        opened.execute("SELECT 1")
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"

        def gone() -> bool:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_stat_clear_snapshot()")
                return cursor.execute(alive, [opened.info.backend_pid]).fetchone()[0] == 0  # type: ignore[no-any-return]

        eventually(gone)
        opened.close()


@pytest.mark.django_db(transaction=True)
def test_a_migration_takes_its_time_but_waits_for_no_table_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(of_django.Command, "handle", lambda self, *args, **options: seen.append(limits()))
    call_command("migrate")
    assert seen == [["0", "1min", "3s"]]
    assert limits() == ["30s", "1min", "0"]


@pytest.mark.django_db(transaction=True)
def test_a_migration_gives_way_to_who_uses_the_table_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_LOCK_SECONDS", 0.05)
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0)
    done: list[int] = []
    tries: list[int] = []

    def alter(*args: Any, **options: Any) -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE pipelines_job ALTER COLUMN name DROP DEFAULT")
        done.append(1)

    monkeypatch.setattr(of_django.Command, "handle", alter)
    said = StringIO()

    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pipelines_job LIMIT 1")

    monkeypatch.setattr(migrate, "_TRIES", 3)
    with held_elsewhere(read):
        with pytest.raises(OperationalError) as given_up:
            call_command("migrate", stderr=said)
        assert isinstance(given_up.value.__cause__, LockNotAvailable)
        assert (len(tries), done) == (3, [])
        assert len(re.findall("tried again", said.getvalue())) == 2
    call_command("migrate")
    assert done == [1]


@pytest.mark.django_db(transaction=True)
def test_what_breaks_meanwhile_is_told_as_it_is() -> None:
    told = pytest.raises(OperationalError, match="terminating connection")
    with told, unhurried(connection), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
