from __future__ import annotations

from runners.models.attempt import Attempt, LogChunk, Outcome, StopReason
from runners.models.cluster import Cluster, Installation
from runners.models.runner import Runner, RunnerType
from runners.models.sweep import Sweep

__all__ = ["Attempt", "Cluster", "Installation", "LogChunk", "Outcome", "Runner", "RunnerType", "StopReason", "Sweep"]
