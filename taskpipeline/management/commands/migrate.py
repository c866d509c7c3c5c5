from __future__ import annotations

import time
from typing import Any

from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

from taskpipeline.patience import unhurried

# A change of a table waits for whoever reads it, and all who come later wait behind it: so it gives way soon, and
# tries again once they have had their turn.
_LOCK_SECONDS = 3.0
_PAUSE_SECONDS = 2.0
_TRIES = 30


class Command(migrate.Command):
    """Django's own, made to run while the service does: no limit for a statement, a short one for a lock."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        for tries_left in reversed(range(_TRIES)):
            try:
                with unhurried(connection, lock_timeout_seconds=_LOCK_SECONDS):
                    super().handle(*args, **options)
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable) or not tries_left:
                    raise
            self.stderr.write("A table that is to change is in use: this is tried again.")
            time.sleep(_PAUSE_SECONDS)
