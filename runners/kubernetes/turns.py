"""Whose turn it is to run a round, and for how long."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db.models import Q, QuerySet

from pipelines import clock
from runners.kubernetes.exceptions import Unreachable
from runners.models import Cluster

ROUND_SECONDS = 60
"""So long a round may take; what is left then waits for the next one."""
# A round that has not renewed its lease for so long has died with its process: longer than any one request takes.
_LEASE = timedelta(seconds=30)
_RENEWAL_SECONDS = 5


class Turn:
    """A lease on the rounds of one cluster. Losing it harms nobody: two rounds at once find each other's objects."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._began = self._renewed = time.monotonic()

    @classmethod
    def take(cls, runner_name: str) -> Turn | None:
        """Take the turn; if another process has it, leave a note that another round is to follow."""
        now = clock.now()
        named = Cluster.objects.filter(runner__name=runner_name)
        free = named.filter(Q(round_until=None) | Q(round_until__lt=now), Q(not_before=None) | Q(not_before__lte=now))
        if free.update(round_until=now + _LEASE, round_requested=False):
            cluster = named.select_related("runner").first()
            return cls(cluster) if cluster else None
        named.update(round_requested=True)
        return None

    def go_on(self) -> None:
        """Renew the lease before a request; raise Unreachable once the round has taken too long.

        However slow an API server is, it holds no control worker up for longer.
        """
        now = time.monotonic()
        if now - self._began > ROUND_SECONDS:
            raise Unreachable(f"The API server is slow: the round was not through after {ROUND_SECONDS} s.")
        if now - self._renewed > _RENEWAL_SECONDS:
            self._renewed = now
            self._mine().update(round_until=clock.now() + _LEASE)

    @property
    def is_half_over(self) -> bool:
        return time.monotonic() - self._began > ROUND_SECONDS / 2

    def end(self) -> bool:
        """Give the turn back; return whether another round was asked for, of a cluster that answers."""
        self._mine().update(round_until=None)
        return self._mine().filter(round_requested=True, error="").exists()

    def _mine(self) -> QuerySet[Cluster]:
        return Cluster.objects.filter(pk=self.cluster.pk)
