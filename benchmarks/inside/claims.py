"""Claim from a backlog."""

from __future__ import annotations

import time

from django.conf import settings
from django.db import transaction

from benchmarks.inside.answering import answer
from benchmarks.inside.backlog import fill
from pipelines import clock
from runners import claiming
from runners.models import Runner


def claim() -> float:
    """Claim as many jobs as the pool takes and return the seconds; then undo it, so that the next claim is the same."""
    with transaction.atomic():
        Runner.objects.update(paused_at=None)  # where a runner is to get nothing else meanwhile
        now = clock.now()
        began = time.perf_counter()
        claims = claiming.claim(now=now)
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    if len({each.job for each in claims}) != settings.QUEUE_SIZE:
        raise RuntimeError(f"{len(claims)} jobs were claimed")
    return seconds


if __name__ == "__main__":
    answer({"fill": fill, "claim": claim})
