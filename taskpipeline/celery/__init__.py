from __future__ import annotations

import os
import sys

from celery import Celery
from celery.signals import beat_init, celeryd_init
from django.conf import settings

from taskpipeline.no_database import ADVICE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")

app = Celery("taskpipeline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
@beat_init.connect
def require_engines(**_: object) -> None:
    """End a worker or a beat that has nothing to work on, rather than let it try for ever."""
    if not settings.DATABASE_URL or not settings.REDIS_URL:
        sys.exit(ADVICE)
