"""Is the process up, is the service able to work; for probes, so without login and without details."""

from __future__ import annotations

import logging
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from pipelines import clock
from runners import pool
from runners.models import Sweep

logger = logging.getLogger(__name__)

_BROKER_SECONDS = 2
# A top-up may be late by a few rounds before the service counts as stuck.
_ROUNDS_MISSED = 5


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Tell that this process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Tell whether the database and the broker answer and a top-up succeeded lately; 503 otherwise."""
    failing = [name for name, works in (("top_up", _topped_up_lately), ("broker", _broker)) if not works()]
    if failing:
        logger.warning("not ready", extra={"failing": failing})
    return JsonResponse({"status": "unavailable" if failing else "ok"}, status=503 if failing else 200)


def _broker() -> bool:
    options = {"socket_connect_timeout": _BROKER_SECONDS, "socket_timeout": _BROKER_SECONDS}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, **options) as broker:
            return bool(broker.ping())
    except (redis.RedisError, ValueError):
        return False


def _topped_up_lately() -> bool:
    """Ask the database, which tells by the way whether it is there and migrated."""
    patience = timedelta(seconds=max(_ROUNDS_MISSED * settings.TOP_UP_SECONDS, 10))
    try:
        last = Sweep.objects.last_success(pool.TOP_UP)
        return last is not None and last >= clock.now() - patience
    except DatabaseError as error:
        logger.warning("database is away", extra={"error": str(error)})
        return False
