"""What a Deployment says of the rollout that an attempt began: kubectl's rules in their order, and some guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runners.kubernetes.standing import Standing, Verdict

ROLLED_BACK_AFTER = frozenset(
    {"progress_deadline_exceeded", "replica_failure", "image_pull", "config_error", "timeout"}
)
"""Reasons after which `rollback_on_failure` returns to the revision before; others are not ours to undo."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied: taken from the answer to the apply, kept with the attempt, JSON-able."""

    uid: str
    generation: int
    changed: bool
    revision_before: str | None
    applied_at: datetime
    fingerprint: str = ""
    """Of the Deployment's spec as the server had it then, without what autoscalers and people scale."""

    @classmethod
    def of(cls, deployment: Mapping[str, Any], *, before: Mapping[str, Any] | None, applied_at: datetime) -> Applied:
        """Return it from the answer to the apply and the Deployment as it was before, if there was one."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Applied:
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        raise NotImplementedError


def judge_rollout(
    deployment: dict[str, Any] | None,
    *,
    applied: Applied,
    pods: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
    replica_sets: Sequence[dict[str, Any]],
    now: datetime,
) -> Standing:
    """Return where the rollout stands; the Deployment is None when a successful listing lacks it."""
    raise NotImplementedError


def judge_rollout_timeout(
    deployment: dict[str, Any] | None,
    *,
    applied: Applied,
    pods: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
    replica_sets: Sequence[dict[str, Any]],
    timeout: int,
    now: datetime,
) -> Verdict:
    """Return the verdict of a rollout whose timeout is over by our clock."""
    raise NotImplementedError


def template_of_revision(
    replica_sets: Sequence[dict[str, Any]], *, uid: str, revision: str
) -> dict[str, Any] | None:
    """Return the pod template of that revision of the Deployment, as `objects.rollback_manifest` takes it."""
    raise NotImplementedError
