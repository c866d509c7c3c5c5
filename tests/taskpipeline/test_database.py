"""Moments come from the database as Django's own backend gives them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import DataError, connection, transaction
from psycopg.adapt import Transformer

from clients import rows
from taskpipeline.database.base import MomentLoader

pytestmark = pytest.mark.django_db


def read(moment: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [moment])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-24 12:36:02.473641+00", datetime(2026, 11, 24, 12, 36, 2, 473641, UTC)),
        ("2026-11-24 12:36:02.4+00", datetime(2026, 11, 24, 12, 36, 2, 400000, UTC)),
        ("2026-11-24 12:36+05:30", datetime(2026, 11, 24, 7, 6, tzinfo=UTC)),
        ("0044-03-15 00:00+00", datetime(44, 3, 15, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_a_moment_is_itself_in_utc(moment: str, expected: datetime) -> None:
    found = read(moment)
    assert found == expected
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


@pytest.mark.parametrize("moment", ["infinity", "0044-03-15 00:00+00 BC", "12345-01-01 00:00+00"])
def test_what_python_has_no_moment_for_is_an_error_and_no_other_moment(moment: str) -> None:
    with pytest.raises(DataError), transaction.atomic():
        read(moment)


def test_nothing_at_all_is_none() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NULL::timestamptz")
        assert cursor.fetchone() == (None,)


def test_it_is_our_loader_that_reads() -> None:
    connection.ensure_connection()
    held: psycopg.Connection = connection.connection
    loader = Transformer(held).get_loader(psycopg.adapters.types["timestamptz"].oid, psycopg.pq.Format.TEXT)
    assert isinstance(loader, MomentLoader)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_ended_is_not_given_out_again() -> None:
    connection.ensure_connection()
    ended = connection.connection.info.backend_pid
    with ThreadPoolExecutor(max_workers=1) as other:
        other.submit(rows.ask, "SELECT pg_terminate_backend(%s, 5000)", [ended]).result()
        connection.close()  # it goes back to the pool, and is the only one there
        assert read("2026-11-24 12:36+00")
        other.submit(lambda: connection.close()).result()  # its own
    assert connection.connection.info.backend_pid != ended
