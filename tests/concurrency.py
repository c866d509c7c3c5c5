"""Two things at the same moment: threads with database connections of their own, and waiting for a condition."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, connections, transaction

T = TypeVar("T")

PATIENCE_SECONDS = 20
_BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""


def begin(action: Callable[[], T]) -> Future[T]:
    """Run the action in a thread with a connection of its own, whose statements end by the service's own limit."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:
            future.set_exception(error)
        finally:
            connections.close_all()

    threading.Thread(target=run, daemon=True).start()
    return future


def result(future: Future[T]) -> T:
    """Return what the action returned, or raise what it raised."""
    return future.result(timeout=PATIENCE_SECONDS * 1.5)


def together(*actions: Callable[[], T]) -> list[T]:
    """Run the actions in the same instant; return their results in order."""
    line = threading.Barrier(len(actions), timeout=PATIENCE_SECONDS)

    def started(action: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            line.wait()
            return action()

        return run

    futures = [begin(started(action)) for action in actions]
    return [result(future) for future in futures]


def eventually(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds; fail when it never does."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition waited for never came true"
        time.sleep(0.002)


def wait_until_blocked(future: Future[Any], *, others: int = 0) -> None:
    """Wait until the action waits for a lock in the database (beside so many others), or has ended."""

    def blocked() -> bool:
        if future.done():
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw at first
            cursor.execute(_BLOCKED)
            return bool(cursor.fetchone()[0] > others)

    eventually(blocked)


@contextmanager
def held_elsewhere(take: Callable[[], object]) -> Iterator[None]:
    """Have another connection hold, in an open transaction, the locks that `take` takes."""
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            take()
            taken.set()
            release.wait(PATIENCE_SECONDS)

    future = begin(hold)
    try:
        eventually(lambda: taken.is_set() or future.done())
        if future.done():
            result(future)
        yield
    finally:
        release.set()
        result(future)
