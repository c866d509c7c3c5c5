"""The database backend of a process that has no database: SQL can be written, every connection is refused.

Django's own `dummy` backend cannot even quote a name, which checks of migrations with triggers need.
"""

from __future__ import annotations

from typing import Any

ADVICE = (
    "This needs PostgreSQL and Redis, and there are none: set DATABASE_URL and REDIS_URL, or start the stack "
    "(`make run`) and try again while it is up."
)


class Router:
    """Keeps `makemigrations` from asking the database what was applied."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return False
