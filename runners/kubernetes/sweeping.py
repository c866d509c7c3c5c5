"""Objects whose attempt is over: a crash between the end and the deletion leaves them."""

from __future__ import annotations

from itertools import islice
from typing import Any

from runners.kubernetes.snapshot import Snapshot
from runners.models import Attempt

_PER_ROUND = 50


def leftovers(snapshot: Snapshot, *, live: set[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return Jobs of ours that no live attempt needs, a bounded number; one query, and none where nothing is left."""
    unknown = [
        ((number, attempt), job)
        for (_, number, attempt), job in snapshot.jobs.items()
        if (number, attempt) not in live and not job["metadata"].get("deletionTimestamp")
    ]
    if not unknown:
        return []
    # Claimed since the round read its attempts, or followed by another runner of ours on the same cluster.
    rows = Attempt.objects.live().filter(job__in={key[0] for key, _ in unknown}).values_list("job_id", "number")
    needed = set(rows)
    return list(islice((job for key, job in unknown if key not in needed), _PER_ROUND))
