"""Wake-ups sent by name after the commit. One that is lost costs latency only: beat does the same on its round."""

from __future__ import annotations

import logging
from collections.abc import Callable
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

# What is known of the pool: that a round is asked for and has not begun, which will see whatever is committed
# meanwhile; or that the last one found no room for anything.
_POOL = "taskpipeline.pool"
_ASKED = b"asked"
_FULL = b"full"
# Should the message have been lost, others follow after this time.
_KNOWN_MILLISECONDS = 1_000
_REDIS_SECONDS = 1


def nudge(task: str = TOP_UP, *args: Any) -> None:
    """Have the task run once the current transaction is committed; ids only travel in it."""
    transaction.on_commit(lambda: send(task, args=args))


def nudge_for_work() -> None:
    """Have a round of the pool see the work that the current transaction brings, unless there is no room for any.

    Whatever makes room asks for a round by `nudge`.
    """
    transaction.on_commit(lambda: send(TOP_UP, for_work=True))


def send(
    task: str, *, args: tuple[Any, ...] = (), queue: str = "control", shown: str | None = None, for_work: bool = False
) -> bool:
    """Publish the task; return whether the broker took it. `shown` is what Celery shows in place of its arguments.

    A top-up that is asked for already is asked for once: a thousand submissions a second are a few rounds. A broker
    that is away must fail no request and hold none up: one try, and the beat rounds make up for it.
    """
    try:
        if task == TOP_UP and not _is_wanted(for_work=for_work):
            return True
        current_app.send_task(task, args=args, queue=queue, retry=False, ignore_result=True, argsrepr=shown)
    except (OperationalError, redis.RedisError) as error:
        logger.warning("broker is away", extra={"task": task, "queue": queue, "error": type(error).__name__})
        return False
    return True


def _is_wanted(*, for_work: bool) -> bool:
    """Tell whether a round has to be asked for, and let others know that it is."""
    if _redis().set(_POOL, _ASKED, nx=True, px=_KNOWN_MILLISECONDS):
        return True
    if for_work or _redis().get(_POOL) != _FULL:
        return False
    _redis().set(_POOL, _ASKED, px=_KNOWN_MILLISECONDS)
    return True


def round_begins() -> None:
    """Have whoever commits from now on ask for another round of the pool; called before the round takes its turn."""
    _tell(lambda: _redis().delete(_POOL))


def round_found_no_room() -> None:
    """Have who only brings work ask for no round for a while; called after the round has ended.

    Unless one is asked for already: room may have been made since this one looked.
    """
    _tell(lambda: _redis().set(_POOL, _FULL, nx=True, px=_KNOWN_MILLISECONDS))


def _tell(what: Callable[[], object]) -> None:
    try:
        what()
    except redis.RedisError as error:
        logger.warning("broker is away", extra={"error": type(error).__name__})


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
    )
