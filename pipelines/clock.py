from __future__ import annotations

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """Return the database's time; leases, timeouts and back-off follow this one clock, whatever machine asks.

    Taken once per operation and passed on. One round trip.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
