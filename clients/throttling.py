"""How many requests a client may send: counted in Redis, so that all web processes count as one."""

from __future__ import annotations

import logging
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

from clients.principals import requesting_client

if TYPE_CHECKING:
    # DRF's views import this module, by name from the settings, while they are being imported.
    from rest_framework.request import Request
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

_SECONDS_MAX = 0.5
_REST_SECONDS = 5.0
_MINUTE = 60_000_000  # in microseconds, the unit of the script

# GCRA: one number a client, the moment until which it has spent its share. A request that is refused spends nothing,
# so who comes again after the wait is served. By Redis's clock, in whole microseconds: a double holds them exactly.
_SPEND = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent_until = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + each
if spent_until > now + burst then return spent_until - now - burst end
redis.call('SET', KEYS[1], string.format('%.0f', spent_until), 'PX', math.ceil((spent_until - now) / 1000))
return 0
"""


class Throttle(BaseThrottle):
    """Refuse what a client sends beyond CLIENT_REQUESTS_PER_MINUTE; one round trip to Redis, none without a limit.

    A share unspent is kept for a minute, so the requests may come all at once. Staff and runners are not counted.
    Where Redis does not answer, requests pass, and it is left in peace for some seconds.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        limit = settings.CLIENT_REQUESTS_PER_MINUTE
        if limit is None or (client := requesting_client(request)) is None:
            return True
        if wait := _counter(settings.REDIS_URL).spend(client.client_id, per_minute=limit):
            raise Throttled(wait=wait, detail=f"This client may send {limit} requests a minute.")
        return True


class _Counter:
    def __init__(self, url: str) -> None:
        broker = redis.Redis.from_url(url, socket_connect_timeout=_SECONDS_MAX, socket_timeout=_SECONDS_MAX)
        self._spend: Any = broker.register_script(_SPEND)
        self._rests_until = 0.0

    def spend(self, client_id: str, *, per_minute: int) -> int:
        """Count a request; return after how many seconds it may be sent again, 0 if it may be now."""
        if time.monotonic() < self._rests_until:
            return 0
        each = _MINUTE // per_minute
        try:
            wait: int = self._spend(keys=[f"throttle:{client_id}"], args=[each, each * per_minute])
        except redis.RedisError as error:
            self._rests_until = time.monotonic() + _REST_SECONDS
            logger.warning("requests are not counted: Redis does not answer", extra={"error": str(error)})
            return 0
        return math.ceil(wait / 1_000_000)


@lru_cache(maxsize=1)
def _counter(url: str) -> _Counter:
    return _Counter(url)
