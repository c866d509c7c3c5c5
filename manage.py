#!/usr/bin/env python
from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError

from taskpipeline.no_database import ADVICE


def main() -> None:
    """Run a management command; what is wrong with the settings or the database is one line, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")
    try:
        # Its reloader would show the error and then wait for it to be mended in the code.
        if sys.argv[1:2] == ["runserver"] and "--help" not in sys.argv and not settings.DATABASE_URL:
            sys.exit(ADVICE)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        told = str(error).strip()
        sys.exit(told if isinstance(error, ImproperlyConfigured) or told == ADVICE else f"The database fails: {told}")


if __name__ == "__main__":
    main()
