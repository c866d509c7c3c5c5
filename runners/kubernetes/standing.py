"""What is known of an attempt from its objects in the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["succeeded", "failed", "timed_out", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended: `lost` is the cluster's doing and off the client's budget; the message says what to do."""

    outcome: Outcome
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an attempt stands: decided or not, how far it is (0-100, if that can be told), what people should know.

    `must_delete` marks a verdict that Kubernetes would not reach by itself: the work might go on after all, so its
    object is deleted and seen gone before the attempt ends. `wants_events`: only the events about the object can say
    what it waits for; judge again with them.
    """

    verdict: Verdict | None = None
    progress: int | None = None
    message: str = ""
    must_delete: bool = False
    wants_events: bool = False
