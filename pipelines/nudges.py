"""Wake-ups sent by name after the commit. One that is lost costs latency only: beat does the same on its round."""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

TOP_UP = "runners.top_up"
STOP = "runners.stop_attempts"
DIVIDE = "pipelines.divide"


def nudge(task: str = TOP_UP, *args: Any) -> None:
    """Have the task run once the current transaction is committed; ids only travel in it."""
    transaction.on_commit(lambda: send(task, args=args))


def send(task: str, *, args: tuple[Any, ...] = (), queue: str = "control", shown: str | None = None) -> bool:
    """Publish the task; return whether the broker took it. `shown` is what Celery shows in place of its arguments.

    A broker that is away must fail no request and hold none up: one try, and the beat rounds make up for it.
    """
    try:
        current_app.send_task(task, args=args, queue=queue, retry=False, ignore_result=True, argsrepr=shown)
    except OperationalError as error:
        logger.warning("broker is away", extra={"task": task, "queue": queue, "error": type(error).__name__})
        return False
    return True
