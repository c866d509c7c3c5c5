"""When rounds of Kubernetes runners are run, and how each runner's health comes of them.

Any control worker may run any round; what one leaves for the next stands in the attempts' evidence.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.module_loading import import_string

from pipelines import clock
from pipelines.nudges import nudge, send
from runners.executors.kubernetes import FOLLOW
from runners.kubernetes import rounds
from runners.kubernetes.exceptions import ClusterError
from runners.kubernetes.keeping import kept_connection
from runners.kubernetes.turns import Turn
from runners.models import Attempt, Cluster

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 15
MAX_PAUSE_SECONDS = 300
"""However long an answer asks us to stay away: what asks may not even be the API server."""


def follow_due(*, now: datetime) -> None:
    """Ask for a round of every runner that has live attempts, and now and then of the idle ones."""
    idle = now - timedelta(seconds=_IDLE_SECONDS)
    busy = Attempt.objects.live().values("runner")
    due = Cluster.objects.filter(Q(runner__in=busy) | Q(synced_at=None) | Q(synced_at__lt=idle) | ~Q(error=""))
    for name in due.values_list("runner__name", flat=True):
        send(FOLLOW, args=(name,))


def follow(runner_name: str) -> None:
    """Run rounds of the runner until none is asked for; return at once if another process runs one.

    A nudge that comes during a round leaves a note, so that another one follows it.
    """
    while turn := Turn.take(runner_name):
        try:
            _run(turn)
        finally:
            again = turn.end()
        if not again:
            return


def _run(turn: Turn) -> None:
    cluster = turn.cluster
    was_away = bool(cluster.error) or cluster.synced_at is None
    try:
        with _api(turn) as api:
            rounds.run(turn, api=api)
    except ClusterError as error:
        _note_failure(cluster, error)
        return
    Cluster.objects.filter(pk=cluster.pk).update(synced_at=clock.now(), error="", not_before=None)
    if was_away:
        logger.info("cluster answers", extra={"runner": cluster.runner.name})
        nudge()


def _note_failure(cluster: Cluster, error: ClusterError) -> None:
    """Show the runner unhealthy; its attempts' leases stand still until the API server answers again."""
    pause = timedelta(seconds=min(error.retry_after_seconds or 0, MAX_PAUSE_SECONDS))
    Cluster.objects.filter(pk=cluster.pk).update(
        error=f"{error.reason}: {error.message}"[:2000], not_before=clock.now() + pause if pause else None
    )
    if not cluster.error:
        logger.warning("cluster does not answer", extra={"runner": cluster.runner.name, "reason": error.reason})


@contextmanager
def _api(turn: Turn) -> Iterator[Any]:
    # The one lazy import: a process that never talks to a cluster never loads its client.
    open_cluster = import_string("runners.kubernetes.cluster.Cluster")
    with closing(open_cluster(kept_connection(turn.cluster), before_request=turn.go_on)) as client:
        yield client
