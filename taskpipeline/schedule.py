"""Beat's schedule, kept in the database and going on whatever the clock said to the beat before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry


class Entry(ModelEntry):  # type: ignore[misc]
    """An entry whose last run lies in the future ran now: a clock was set back, or another beat's was ahead.

    Else nothing of it would be due until then: no lease would run out and nothing that was missed be settled.
    """

    last_run_at: datetime

    def is_due(self) -> Any:
        self.last_run_at = min(self.last_run_at, self._default_now())
        return super().is_due()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    Entry = Entry
