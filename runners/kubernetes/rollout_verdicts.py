"""What a Deployment says of the rollout that an attempt began: kubectl's rules in their order, and some guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runners.kubernetes.evidence import evidence_of
from runners.kubernetes.pods import CONFIG_ERROR, IMAGE_PULL, Trouble, trouble_of
from runners.kubernetes.reading import (
    Object,
    condition,
    holds,
    is_being_deleted,
    owned_by,
    sentence,
    status_of,
    time_of,
    uid_of,
)
from runners.kubernetes.revisions import Applied, is_observed, newest_of, template_of_revision
from runners.kubernetes.standing import Standing, Verdict

ROLLED_OUT = "rolled_out"
UNCHANGED = "unchanged"
SUPERSEDED = "superseded"
DELETED = "deleted"
PAUSED = "paused"
PROGRESS_DEADLINE_EXCEEDED = "progress_deadline_exceeded"
REPLICA_FAILURE = "replica_failure"
TIMEOUT = "timeout"

ROLLED_BACK_AFTER = frozenset({PROGRESS_DEADLINE_EXCEEDED, REPLICA_FAILURE, IMAGE_PULL, CONFIG_ERROR, TIMEOUT})
"""Reasons after which `rollback_on_failure` returns to the revision before; the others are somebody else's doing."""

REPLICA_FAILURE_GRACE = timedelta(seconds=60)
"""How long pods may be refused: the old ones that go may free the quota that the new ones need."""
_DEADLINE_SECONDS = 600
_DEADLINE_SLACK = timedelta(seconds=10)


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
    if deployment is None or uid_of(deployment) != applied.uid or is_being_deleted(deployment):
        return _decided(_deleted(deployment), deployment=None, pods=(), events=events, progress=None)
    newest = newest_of(deployment, replica_sets=replica_sets)
    own = owned_by(uid_of(newest), among=pods) if newest else []
    progress = _progress(deployment, newest=newest)
    trouble = _trouble(deployment, pods=own, events=events, now=now)
    verdict = _verdict(deployment, applied=applied, trouble=trouble, now=now)
    if verdict is None:
        return Standing(progress=progress, message=_message(deployment, trouble=trouble))
    return _decided(verdict, deployment=deployment, pods=own, events=events, progress=progress)


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
    """Return the verdict of a rollout whose timeout is over by our clock: timed out, unless it is decided already."""
    standing = judge_rollout(deployment, applied=applied, pods=pods, events=events, replica_sets=replica_sets, now=now)
    if standing.verdict:
        return standing.verdict
    message = f"Not rolled out within the job's timeout of {timeout} s. {standing.message}"
    own = owned_by(uid_of(newest), among=pods) if (newest := _newest(deployment, replica_sets=replica_sets)) else []
    return Verdict("timed_out", TIMEOUT, message, evidence=evidence_of(deployment, pods=own, events=events))


def _verdict(deployment: Object, *, applied: Applied, trouble: Trouble | None, now: datetime) -> Verdict | None:
    """Return what the rollout has come to, if it is decided: the rules of `kubectl rollout status` in their order."""
    if applied.is_overtaken(deployment):
        message = "Somebody changed the Deployment while its rollout was waited for; what they gave it counts now."
        return Verdict("failed", SUPERSEDED, message)
    if not is_observed(deployment):
        return None
    failed = _past_deadline(deployment, applied=applied, trouble=trouble, now=now)
    failed = failed or _refused(deployment, applied=applied, now=now)
    if failed is None and trouble and trouble.is_fatal:
        failed = Verdict("failed", trouble.reason, trouble.message)
    if failed:
        return failed
    if _waits_for(deployment):
        if (deployment.get("spec") or {}).get("paused"):
            return Verdict("failed", PAUSED, "The Deployment is paused: resume it with `kubectl rollout resume`.")
        return None
    if applied.changed:
        return Verdict("succeeded", ROLLED_OUT, "The new revision serves.")
    return Verdict("succeeded", UNCHANGED, "There was nothing to change, and it serves.")


def _waits_for(deployment: Object) -> str:
    """Return what the rollout waits for; nothing once it is complete."""
    status, wanted = status_of(deployment), _replicas(deployment)
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    available = int(status.get("availableReplicas") or 0)
    if updated < wanted:
        return f"{updated} of {wanted} new pods exist."
    if total > updated:
        return f"{total - updated} old pods are still to go."
    if available < updated:
        return f"{available} of {updated} new pods are available."
    return ""


def _past_deadline(deployment: Object, *, applied: Applied, trouble: Trouble | None, now: datetime) -> Verdict | None:
    progressing = condition(deployment, kind="Progressing") or {}
    if progressing.get("reason") != "ProgressDeadlineExceeded":
        return None
    seconds = int((deployment.get("spec") or {}).get("progressDeadlineSeconds") or _DEADLINE_SECONDS)
    updated_at = time_of(progressing.get("lastUpdateTime"))
    whose = "Kubernetes'"
    # The API's times have no fraction of a second.
    if updated_at is None or updated_at < applied.applied_at.replace(microsecond=0):
        # It speaks of an earlier rollout; where nothing was changed, Kubernetes will not say so again.
        if now < applied.applied_at + timedelta(seconds=seconds) + _DEADLINE_SLACK:
            return None
        whose = "this service's"
    why = trouble.message if trouble else sentence(progressing.get("message"))
    message = f"The rollout made no progress for {seconds} s by {whose} clock. {_waits_for(deployment)} {why}"
    advice = "Look at the pods' logs, or raise 'progress_deadline_seconds'."
    return Verdict("failed", PROGRESS_DEADLINE_EXCEEDED, f"{message} {advice}")


def _refused(deployment: Object, *, applied: Applied, now: datetime) -> Verdict | None:
    refusal = holds(deployment, kind="ReplicaFailure")
    if refusal is None:
        return None
    since = time_of(refusal.get("lastTransitionTime")) or applied.applied_at
    if now < max(since, applied.applied_at) + REPLICA_FAILURE_GRACE:
        return None
    return Verdict("failed", REPLICA_FAILURE, _refusal_said(refusal))


def _refusal_said(refusal: Object) -> str:
    advice = (
        "Correct the job's parameters, or what the namespace allows: its quota, its service accounts, its policies."
    )
    return f"The cluster refuses its pods. {sentence(refusal.get('message'))} {advice}"


def _deleted(found: Object | None) -> Verdict:
    if found is None or is_being_deleted(found):
        return Verdict("failed", DELETED, "Somebody deleted the Deployment while its rollout was waited for.")
    message = "Somebody deleted the Deployment and made another of the same name, which is not this job's."
    return Verdict("failed", DELETED, message)


def _trouble(
    deployment: Object, *, pods: Sequence[dict[str, Any]], events: Sequence[Object], now: datetime
) -> Trouble | None:
    main = str(deployment["spec"]["template"]["spec"]["containers"][0]["name"])
    found = [trouble_of(pod, main=main, events=events, now=now) for pod in pods]
    return min((each for each in found if each), key=lambda each: not each.is_fatal, default=None)


def _message(deployment: Object, *, trouble: Trouble | None) -> str:
    if not is_observed(deployment):
        return "Waits for the cluster to take note of the change."
    refusal = holds(deployment, kind="ReplicaFailure")
    why = trouble.message if trouble else _refusal_said(refusal) if refusal else ""
    return f"{_waits_for(deployment)} {why}".strip()


def _progress(deployment: Object, *, newest: Object | None) -> int:
    """Return how many of the pods wanted are new and available, in percent."""
    wanted = _replicas(deployment)
    if not is_observed(deployment):
        return 0
    status = status_of(deployment)
    # The Deployment's own number counts the old pods too.
    of_newest = status_of(newest).get("availableReplicas") if newest else None
    available = min(int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0))
    available = available if newest is None else int(of_newest or 0)
    return min(100, 100 * available // wanted) if wanted else 100


def _replicas(deployment: Object) -> int:
    replicas = (deployment.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _newest(deployment: Object | None, *, replica_sets: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return newest_of(deployment, replica_sets=replica_sets) if deployment else None


def _decided(
    verdict: Verdict,
    *,
    deployment: Object | None,
    pods: Sequence[Object],
    events: Sequence[Object],
    progress: int | None,
) -> Standing:
    verdict = replace(verdict, evidence=evidence_of(deployment, pods=pods, events=events))
    return Standing(verdict, progress=100 if verdict.outcome == "succeeded" else progress, message=verdict.message)


__all__ = ["ROLLED_BACK_AFTER", "Applied", "Standing", "Verdict", "judge_rollout", "judge_rollout_timeout"]
__all__ += ["template_of_revision"]
