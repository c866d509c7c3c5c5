"""All benchmarks by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks import claims, clusters, dividing, idle, latency, polling, web, workloads
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
}
