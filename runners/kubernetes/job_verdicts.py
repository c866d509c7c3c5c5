"""What a Kubernetes Job says of its attempt: the verdict comes from its conditions, the reason from its pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runners.kubernetes.evidence import evidence_of
from runners.kubernetes.pods import CONFIG_ERROR, Trouble, failure_of, trouble_of
from runners.kubernetes.reading import (
    Object,
    events_about,
    first_seen,
    holds,
    is_being_deleted,
    name_of,
    owned_by,
    sentence,
    status_of,
    time_of,
    uid_of,
)
from runners.kubernetes.standing import Standing, Verdict

DEADLINE = "deadline"
POD_DELETED = "pod_deleted"
QUOTA = "quota_exceeded"
NO_PODS = "no_pods"
TIMEOUT = "timeout"

NO_PODS_GRACE = timedelta(seconds=30)
QUOTA_GRACE = timedelta(minutes=5)
"""How long creating pods may be refused: a quota is freed by what ends, the rest by people."""
OVERDUE = timedelta(minutes=1)
"""How long after its grace a pod that is to end is still nothing to worry about."""
_EVENTS_AFTER = timedelta(seconds=5)


def judge_job(
    job: dict[str, Any], *, pods: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]], now: datetime
) -> Standing:
    """Return where the attempt of this Job stands.

    Decided by its conditions Complete and Failed alone, and where Kubernetes would wait for ever; what pods, events
    and other conditions say gives the reason and the message.
    """
    own = owned_by(uid_of(job), among=pods)
    if holds(job, kind="Complete"):
        verdict = Verdict("succeeded", message="It has succeeded.", exit_code=0)
        return replace(_decided(job, verdict=verdict, pods=own, events=()), progress=100)
    if failed := holds(job, kind="Failed"):
        verdict = _failure(job, failed=failed, pods=own, events=events, now=now)
        return _decided(job, verdict=verdict, pods=own, events=events)
    trouble = _trouble(job, pods=own, events=events, now=now)
    if trouble and trouble.is_fatal and not _is_settled(job):
        verdict = Verdict("failed", trouble.reason, trouble.message)
        return replace(_decided(job, verdict=verdict, pods=own, events=events), must_delete=True)
    return Standing(
        progress=_progress(job),
        message=_message(job, pods=own, trouble=trouble),
        wants_events=trouble is None and _lacks_pods(job, pods=own, now=now),
    )


def judge_timeout(
    job: dict[str, Any] | None,
    *,
    pods: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
    timeout: int,
    now: datetime,
) -> Verdict:
    """Return the verdict of an attempt whose timeout is over by our clock: timed out, with what it was waiting for."""
    own = owned_by(uid_of(job), among=pods) if job else []
    trouble = _trouble(job, pods=own, events=events, now=now) if job else None
    verdict = Verdict(
        "timed_out",
        TIMEOUT,
        f"Stopped because it ran longer than its timeout of {timeout} s; raise 'timeout' if it needs more.",
    )
    if trouble:
        message = f"Stopped because it did not run within its timeout of {timeout} s. {trouble.message}"
        verdict = Verdict("timed_out", trouble.reason, message)
    return replace(verdict, evidence=evidence_of(job, pods=own, events=events))


def ending_message(pods: Sequence[dict[str, Any]], *, now: datetime) -> str:
    """Return what a Job that is being deleted waits for."""
    left = [pod for pod in pods if status_of(pod).get("phase") not in ("Succeeded", "Failed")]
    # The time of deletion is when the pod's grace is over.
    overdue = [pod for pod in left if now - (time_of(pod["metadata"].get("deletionTimestamp")) or now) >= OVERDUE]
    if overdue:
        pod, node = name_of(overdue[0]), (overdue[0].get("spec") or {}).get("nodeName") or "unknown"
        return (
            f"It is being stopped, but the node {node} does not confirm that the pod {pod} has ended. Look at the "
            f"node; once nothing runs there any more: kubectl delete pod {pod} --force"
        )
    return "It is being stopped: waits for the end of its pods." if left else "Its object is being deleted."


def _decided(job: Object, *, verdict: Verdict, pods: Sequence[Object], events: Sequence[Object]) -> Standing:
    verdict = replace(verdict, evidence=evidence_of(job, pods=pods, events=events))
    return Standing(verdict, progress=_progress(job), message=verdict.message)


def _failure(
    job: Object, *, failed: Object, pods: Sequence[dict[str, Any]], events: Sequence[Object], now: datetime
) -> Verdict:
    """Return why a Job that Kubernetes calls failed did so."""
    main, said = _main(job), sentence(failed.get("message"))
    trouble = _trouble(job, pods=pods, events=events, now=now)
    if failed.get("reason") == "DeadlineExceeded":
        message = trouble.message if trouble else "Raise 'timeout' if it needs more."
        return Verdict(
            "timed_out", trouble.reason if trouble else DEADLINE, f"Kubernetes ended it at its deadline. {message}"
        )
    # A sibling that the Job's controller deleted, once one had failed, explains nothing.
    ended = [pod for pod in pods if status_of(pod).get("phase") == "Failed"]
    culprits = [pod for pod in ended if not is_being_deleted(pod)] or [pod for pod in ended if _is_disrupted(pod)]
    culprits.sort(key=lambda pod: (_is_disrupted(pod), _ended_at(pod), name_of(pod)))
    if culprits:
        return failure_of(culprits[0], main=main)
    if trouble:
        return Verdict("failed", trouble.reason, trouble.message)
    if status_of(job).get("failed") or pods:
        message = (
            "A pod of the Job was deleted before it had ended, by a person or with its node. It is tried again off the "
            "job's retries; cancel the job instead of deleting its pod."
        )
        return Verdict("lost", POD_DELETED, f"{message} {said}".strip())
    message = f"Kubernetes ended the Job before it had a pod ({failed.get('reason') or 'no reason given'}). {said}"
    return Verdict("failed", NO_PODS, message.strip())


def _trouble(job: Object, *, pods: Sequence[dict[str, Any]], events: Sequence[Object], now: datetime) -> Trouble | None:
    """Return the gravest of what keeps its pods from running."""
    found = [trouble_of(pod, main=_main(job), events=events, now=now) for pod in pods]
    troubles = sorted((each for each in found if each), key=lambda each: not each.is_fatal)
    return troubles[0] if troubles else _refused(job, pods=pods, events=events, now=now)


def _refused(job: Object, *, pods: Sequence[Object], events: Sequence[Object], now: datetime) -> Trouble | None:
    """Return why the Job has no pods, where creating them is refused."""
    creating = ("FailedCreate", "SuccessfulCreate")
    told = [each for each in events_about(uid_of(job), among=events) if each.get("reason") in creating]
    refusals = [each for each in told if each["reason"] == "FailedCreate"]
    if not refusals or told[-1] is not refusals[-1] or any(status_of(pod).get("phase") != "Failed" for pod in pods):
        return None
    latest = str(refusals[-1].get("message") or "")
    waited = now - min((each for each in map(first_seen, refusals) if each), default=now)
    if "exceeded quota" in latest:
        advice = "Ask for less in 'resources', wait for others to end, or raise the quota."
        message = f"The namespace's quota leaves no room for its pods. {sentence(latest)} {advice}"
        return Trouble(QUOTA, message, is_fatal=waited >= QUOTA_GRACE)
    message = f"The cluster refuses its pods. {sentence(latest)} {_correct(latest)}"
    return Trouble(_refusal(latest), message, is_fatal=waited >= NO_PODS_GRACE)


def _refusal(said: str) -> str:
    """Return whether the parameters are to be corrected, or the cluster looked at."""
    is_ours = ("serviceaccount", "service account", "forbidden", "invalid", "violates")
    return CONFIG_ERROR if any(word in said.lower() for word in is_ours) else NO_PODS


def _correct(said: str) -> str:
    lower = said.lower()
    if "serviceaccount" in lower or "service account" in lower:
        return "Make the service account in the namespace, or correct 'service_account'."
    return "Correct the job's parameters, or what the cluster's admission allows."


def _message(job: Object, *, pods: Sequence[Object], trouble: Trouble | None) -> str:
    if is_being_deleted(job):
        return "Its object is being deleted."
    if holds(job, kind="Suspended"):
        return "Suspended in the cluster, by its scheduler or a person, until it is resumed there."
    if holds(job, kind="FailureTarget"):
        return "It has failed; its pods are still ending."
    if holds(job, kind="SuccessCriteriaMet"):
        return "It has succeeded; its pods are still ending."
    if trouble:
        return trouble.message
    if disrupted := next((pod for pod in pods if _is_disrupted(pod)), None):
        why = (holds(disrupted, kind="DisruptionTarget") or {}).get("reason") or "no reason given"
        return f"The cluster takes the pod {name_of(disrupted)} away ({why}) and replaces it."
    return ""


def _is_settled(job: Object) -> bool:
    """Tell whether Kubernetes has already made up its mind, or was told to hold it: what pods say is past."""
    kinds = ("SuccessCriteriaMet", "FailureTarget", "Suspended")
    return is_being_deleted(job) or any(holds(job, kind=kind) for kind in kinds)


def _lacks_pods(job: Object, *, pods: Sequence[Object], now: datetime) -> bool:
    created = time_of(job.get("metadata", {}).get("creationTimestamp")) or now
    return not pods and not holds(job, kind="Suspended") and now - created >= _EVENTS_AFTER


def _progress(job: Object) -> int | None:
    """Return how many of its completions have succeeded, in percent; None of a Job whose pods share one queue."""
    completions = (job.get("spec") or {}).get("completions")
    if not completions:
        return None
    return min(100, 100 * int(status_of(job).get("succeeded") or 0) // int(completions))


def _is_disrupted(pod: Object) -> bool:
    return holds(pod, kind="DisruptionTarget") is not None


def _ended_at(pod: Object) -> str:
    ended = (
        ((each.get("state") or {}).get("terminated") or {}).get("finishedAt")
        for each in status_of(pod).get("containerStatuses") or ()
    )
    return min((str(each) for each in ended if each), default="~")


def _main(job: Object) -> str:
    """Return the name of the container that is the job's own; others may have been put beside it in the pods."""
    containers = job["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["name"])


__all__ = ["Standing", "Verdict", "ending_message", "judge_job", "judge_timeout"]
