"""Wake-ups sent by name after the commit. One that is lost costs latency only: beat does the same on its round."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

TOP_UP = "runners.top_up"
STOP = "runners.stop_attempts"
DIVIDE = "pipelines.divide"

# Set while a round of the pool is asked for and has not begun: what is committed meanwhile, it will see.
_ASKED = "taskpipeline.top_up.asked"
# Should the message have been lost, others follow after this time.
_ASKED_MILLISECONDS = 1_000
_REDIS_SECONDS = 1


def nudge(task: str = TOP_UP, *args: Any) -> None:
    """Have the task run once the current transaction is committed; ids only travel in it."""
    transaction.on_commit(lambda: send(task, args=args))


def send(task: str, *, args: tuple[Any, ...] = (), queue: str = "control", shown: str | None = None) -> bool:
    """Publish the task; return whether the broker took it. `shown` is what Celery shows in place of its arguments.

    A top-up that is asked for already is asked for once: a thousand submissions a second are a few rounds. A broker
    that is away must fail no request and hold none up: one try, and the beat rounds make up for it.
    """
    try:
        if task == TOP_UP and not _redis().set(_ASKED, 1, nx=True, px=_ASKED_MILLISECONDS):
            return True
        current_app.send_task(task, args=args, queue=queue, retry=False, ignore_result=True, argsrepr=shown)
    except (OperationalError, redis.RedisError) as error:
        logger.warning("broker is away", extra={"task": task, "queue": queue, "error": type(error).__name__})
        return False
    return True


def round_begins() -> None:
    """Have whoever commits from now on ask for another round of the pool; called before the round takes its turn."""
    try:
        _redis().delete(_ASKED)
    except redis.RedisError as error:
        logger.warning("broker is away", extra={"error": type(error).__name__})


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
    )
