"""All benchmarks by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks import (
    claims,
    clusters,
    dividing,
    floors,
    growth,
    idle,
    latency,
    leases,
    polling,
    settings,
    web,
    workloads,
)
from benchmarks.ground import Ground
from benchmarks.rows import Outcome
from benchmarks.scale import Scale

Benchmark = Callable[[Ground, Scale], Outcome]

BENCHMARKS: Mapping[str, Benchmark] = {
    "idle": idle.idle,
    "started": latency.started,
    "hand-off": latency.hand_off,
    "many": workloads.many,
    "wide": workloads.wide,
    "submit": web.submit,
    "read": web.read,
    "polling": polling.polling,
    "claim": claims.claim,
    "division": dividing.division,
    "cluster": clusters.requests,
    "leases": leases.leases,
    "floors": floors.floors,
}
GROWTH: Mapping[str, Benchmark] = {
    "documents": growth.documents,
    "clients": growth.clients,
    "runners": growth.runners,
    "history": growth.history,
    "settings": settings.settings,
}
"""What has no target and is not asked every time: `make bench-growth`."""
