from __future__ import annotations

from typing import NoReturn

from django.db.backends.postgresql import base
from django.db.utils import OperationalError

from taskpipeline.no_database import ADVICE


class DatabaseWrapper(base.DatabaseWrapper):
    def connect(self) -> NoReturn:
        """Refuse, saying what to do."""
        raise OperationalError(ADVICE)
