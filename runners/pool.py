"""The pool: the jobs handed out and not finished. Topped up by beat and by nudges, one round at a time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from pipelines import clock, nudges
from runners import claiming, dispatch
from runners.claiming import Claim
from runners.models import Sweep

TOP_UP = "top_up"
# Rounds of a busy pool begin this far apart: what is asked for meanwhile is one round's work, not several's.
_PACE_SECONDS = 0.01
# Any two numbers, as long as nothing else in this database uses them.
_TURN = 0x7461736B_706F6F6C
_WAITING = 0x7461736B_77616974
# A busy pool does not rewrite the row that tells of its last round all the time.
_RESOLUTION = timedelta(seconds=1)


def top_up() -> int:
    """Claim what may start now and send it out; return how many jobs were claimed.

    Rounds run one at a time, under an advisory lock taken in a statement before the claim's snapshot. A nudge that
    finds a round running leaves one waiter behind, so that a slot freed meanwhile is not missed; further nudges then
    have nothing to add and return at once. No runner is talked to inside the transaction, nor Redis.
    """
    _pace.keep()
    nudges.round_begins()
    made = _round_if_free()
    if made is None and _wait_for_turn():
        # None again: who holds the turn took it after this nudge came, and sees what it was sent for.
        made = _round_if_free()
    if made is None:
        return 0
    if made.full:
        nudges.round_found_no_room()
    dispatch.send(made.claims)
    return len(made.claims)


@dataclass(frozen=True, slots=True)
class _Round:
    """What a round claimed; `full` if that is nothing because there is no room."""

    claims: list[Claim]
    full: bool


def _round_if_free() -> _Round | None:
    with transaction.atomic():
        # The lock first, in a statement of its own: what follows must see what the round before committed.
        if not _query("SELECT pg_try_advisory_xact_lock(%s)", _TURN):
            return None
        now = clock.now()
        claims = claiming.claim(now=now)
        Sweep.objects.record(TOP_UP, limit=settings.QUEUE_SIZE, now=now, resolution=_RESOLUTION)
        return _Round(claims, full=not claims and claiming.is_full(now=now))


class _Pace:
    """Keeps the rounds of this process apart; the first after a pause is not held up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at = 0.0

    def keep(self) -> None:
        with self._lock:
            begins_at = max(self._next_at, time.monotonic())
            self._next_at = begins_at + _PACE_SECONDS
        time.sleep(max(0.0, begins_at - time.monotonic()))


_pace = _Pace()


def _wait_for_turn() -> bool:
    """Wait until the running round is over; return False at once if another nudge waits for that already."""
    with transaction.atomic():
        if not _query("SELECT pg_try_advisory_xact_lock(%s)", _WAITING):
            return False
        _query("SELECT pg_advisory_xact_lock(%s)", _TURN)
        return True


def _query(statement: str, lock: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [lock])
        return bool(cursor.fetchone()[0])
