"""How long the database may work on a statement, and a transaction may stand idle; who may take longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper


def session_options(named: str, *, statement_timeout_seconds: float, idle_transaction_timeout_seconds: float) -> str:
    """Return libpq's `options` with which every connection of the service begins.

    0 sets nothing: the server's own limit holds then. What DATABASE_URL names comes last and wins.
    """
    limits = {
        "statement_timeout": statement_timeout_seconds,
        "idle_in_transaction_session_timeout": idle_transaction_timeout_seconds,
    }
    set_limits = [f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items() if seconds]
    return " ".join([*set_limits, *([named] if named else [])])


@contextmanager
def unhurried(connection: BaseDatabaseWrapper, *, lock_timeout_seconds: float = 0) -> Iterator[None]:
    """Let this connection's statements run as long as they need, and wait for a lock no longer than so; 0: for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"SET lock_timeout = {round(lock_timeout_seconds * 1000)}")
    try:
        yield
    finally:
        # A connection that is gone has nothing to put back, and must not hide why.
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
            cursor.execute("RESET lock_timeout")
