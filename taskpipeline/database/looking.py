"""Whether a connection that was kept is still there, without asking."""

from __future__ import annotations

import select
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool


def look(connection: Connection[Any]) -> None:
    """Raise psycopg.OperationalError if the server has ended the connection; for each that is taken from a pool.

    A server has nothing to say to who has asked nothing, unless it is that it ends: then, and only then, it is asked
    as psycopg's own check asks every time, which is one more round trip in every request.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
