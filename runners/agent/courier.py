"""When reports are sent, and what is done when that fails."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from runners.agent.api import Reply
from runners.agent.attempt import Report
from runners.agent.outbox import Batch, Outbox
from runners.agent.sender import Sender

logger = logging.getLogger(__name__)

# One batch is on its way at a time, so what happens meanwhile gathers by itself; while busy, for this much longer.
_LINGER_SECONDS = 0.02
_BUSY_REPORTS = 4
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_LONGEST_REFUSED_PAUSE_SECONDS = 15.0
_COMPLAIN_SECONDS = 60.0
_TOO_MUCH = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


class Courier:
    """Takes batches from the outbox to the sender, one at a time, and shows the service that we are online."""

    def __init__(self, *, outbox: Outbox, sender: Sender, ping_seconds: float) -> None:
        self._outbox = outbox
        self._sender = sender
        self._ping_seconds = ping_seconds
        self._is_sending = False
        self._not_before = 0.0
        self._ping_at = 0.0  # at once: we are here
        self._pause = 0.0
        self._complain_at = 0.0

    def due_at(self) -> float:
        """Return when there is something to send; infinity while a batch is on its way."""
        if self._is_sending:
            return math.inf
        return self._not_before if self._outbox else max(self._not_before, self._ping_at)

    def post(self, *, now: float, timeout_seconds: float) -> None:
        """Send what is due."""
        if now < self.due_at():
            return
        batch = self._outbox.batch(now=now)
        if batch is None:
            if now < self._ping_at:
                return
            batch = Batch()
        self._is_sending = True
        self._ping_at = now + self._ping_seconds
        self._sender.post(batch, timeout_seconds=timeout_seconds)

    def settle(self, batch: Batch, reply: Reply, *, now: float) -> Iterable[tuple[Report, dict[str, Any]]]:
        """Return each report that was answered, with its answer; what was not is sent again later."""
        self._is_sending = False
        if reply.results is not None:
            self._arrived(now=now, count=len(batch.reports))
            return zip(batch.reports, reply.results, strict=True)
        if reply.status in _TOO_MUCH and batch.reports:
            self._not_before = now
            if len(batch.reports) == 1:
                return [(batch.reports[0], {"status": reply.status})]
            self._outbox.too_much(batch)
        else:
            self._failed(reply, now=now)
        self._outbox.again(batch)
        return []

    def hold_back(self, *, now: float) -> None:
        """The service could not take an item just now: pause."""
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._not_before = now + self._pause

    def _arrived(self, *, now: float, count: int) -> None:
        if self._complain_at:
            logger.info("the API takes reports again")
        self._complain_at = self._pause = 0.0
        self._not_before = now + (_LINGER_SECONDS if count >= _BUSY_REPORTS else 0.0)
        self._outbox.arrived()

    def _failed(self, reply: Reply, *, now: float) -> None:
        """Pause longer each time; a refusal may last until somebody mends a token or a URL."""
        refused = reply.status is not None and reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
        longest = _LONGEST_REFUSED_PAUSE_SECONDS if refused else _LONGEST_PAUSE_SECONDS
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), longest)
        pause = self._pause * random.uniform(0.5, 1)  # noqa: S311  # spreads load, guards nothing
        if reply.retry_after is not None:
            pause = max(pause, min(reply.retry_after, longest))
        self._not_before = self._ping_at = now + pause
        if now >= self._complain_at:
            self._complain_at = now + _COMPLAIN_SECONDS
            logger.log(
                logging.ERROR if refused else logging.WARNING,
                _complaint(reply.status),
                extra={"status": reply.status, "error": reply.error},
            )


def _complaint(status: int | None) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "the API refuses the runner's token: check RUNNER_TOKEN; reports are kept and tried again"
    if status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "no reports API answers at API_URL: check it; reports are kept and tried again"
    return "the API is away; reports are kept and tried again"
