#!/usr/bin/env python
from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError

NO_DATABASE = (
    "This needs the database, and there is none: set DATABASE_URL, or start the stack (`make run`) and try again "
    "while it is up."
)


def main() -> None:
    """Run a management command; what is wrong with the settings or the database is one line, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(explain(error))


def explain(error: Exception) -> str:
    """Say what to do about it."""
    if isinstance(error, OperationalError):
        return f"The database does not answer: {error}".strip()
    # Without a database Django has a backend that refuses every use with an error about its own settings.
    return NO_DATABASE if settings.configured and not settings.DATABASE_URL else str(error)


if __name__ == "__main__":
    main()
