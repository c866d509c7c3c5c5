from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """Return the database's time; leases, timeouts and back-off follow this one clock, whatever machine asks.

    Taken once per operation and passed on. One round trip.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def in_utc(moment: datetime) -> datetime:
    """Return the moment as somebody else wrote it in UTC; raise ValueError if it has no zone or no year there.

    PostgreSQL refuses offsets that Python takes: 16 hours and more.
    """
    if moment.tzinfo is None:
        raise ValueError(moment)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(moment) from error
