"""Follow one K8S/Deployment attempt: apply it, wait for the rollout, and roll back if that was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from runners.filling import Unfillable
from runners.kubernetes.beginning import REFUSALS, is_still_wanted, not_allowed, refusal
from runners.kubernetes.exceptions import NotFound
from runners.kubernetes.objects import (
    deployment_manifest,
    deployment_name,
    field_manager,
    is_of_client,
    rollback_manifest,
)
from runners.kubernetes.revisions import identity_of
from runners.kubernetes.rollout_verdicts import (
    ROLLED_BACK_AFTER,
    Applied,
    judge_rollout,
    judge_rollout_timeout,
    template_of_revision,
)
from runners.kubernetes.snapshot import Snapshot
from runners.kubernetes.standing import Standing, Verdict
from runners.kubernetes.work import Findings, Work
from runners.models import Cluster, StopReason
from runners.reports.items import Alive, Progress, Started

Object = dict[str, Any]


class Deployments(Protocol):
    """The part of a cluster's API that Deployments need."""

    def get_deployment(self, namespace: str, name: str) -> Object: ...
    def apply_deployment(self, namespace: str, manifest: Object, *, manager: str) -> Object: ...
    def list_events(self, namespace: str, *, about: str) -> list[Object]: ...


class DeploymentFollower:
    """Follows the K8S/Deployment attempts of one round."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        api: Deployments,
        snapshot: Snapshot,
        findings: Findings,
        flush: Callable[[], None],
        now: datetime,
    ) -> None:
        self._cluster = cluster
        self._flush = flush
        self._api = api
        self._snapshot = snapshot
        self._findings = findings
        self._now = now

    def follow(self, work: Work) -> None:
        """Bring the attempt one step on; raise ClusterError if the API server does not answer."""
        if work.decided:
            self._follow_rollback(work, work.decided)
        elif "applied" not in work.notes:
            self._begin(work)
        else:
            self._follow_rollout(work, Applied.from_json(work.notes["applied"]))

    def _begin(self, work: Work) -> None:
        if work.is_to_stop:
            self._findings.end(work, Verdict("cancelled", "cancelled", "It was cancelled before it was applied."))
            return
        if not is_still_wanted(work):
            return
        if verdict := not_allowed(work, cluster=self._cluster):
            self._findings.end(work, verdict)
            return
        try:
            before = self._before(work)
            if before is not None and not is_of_client(before, order=work.order):
                self._findings.end(work, _not_owned(work))
                return
            # Written before anything changes: a crash between the apply and its note must not take what was applied
            # for what was there before.
            self._findings.note(work, before=before)
            filled = work.filled(self._findings)
            self._flush()
            applied = self._apply(work, deployment_manifest(filled))
        except Unfillable as unfillable:
            self._findings.end(work, Verdict("failed", unfillable.reason, unfillable.message))
            return
        except REFUSALS as error:
            if verdict := refusal(error, work=work):
                self._findings.end(work, verdict)
            return
        after = Applied.of(applied, before=before, applied_at=self._now)
        self._findings.note(work, applied=after.to_json())
        self._findings.items.append(
            Started(job=work.order.job, attempt=work.order.attempt, event="started", worker=after.uid)
        )

    def _before(self, work: Work) -> Object | None:
        """Return the Deployment as it was before the attempt touched it, as an earlier round noted it or as it is.

        Without its spec: that may hold what earlier attempts were given as secrets.
        """
        if "before" in work.notes:
            noted: Object | None = work.notes["before"]
            return noted
        try:
            found = self._api.get_deployment(work.order.namespace, deployment_name(work.order))
        except NotFound:
            return None
        return identity_of(found)

    def _apply(self, work: Work, manifest: Object) -> Object:
        return self._api.apply_deployment(work.order.namespace, manifest, manager=field_manager(work.order.install))

    def _follow_rollout(self, work: Work, applied: Applied) -> None:
        if work.is_to_stop:
            verdict = self._stopped(work, applied)
        else:
            standing = self._standing(work, applied)
            if standing.verdict is None:
                self._report(work, standing)
                return
            verdict = standing.verdict
        if self._rolls_back(work, verdict, applied=applied):
            self._roll_back(work, verdict, applied=applied)
        else:
            self._findings.end(work, verdict)

    def _standing(self, work: Work, applied: Applied) -> Standing:
        seen = self._seen(work)
        standing = judge_rollout(applied=applied, events=[], now=self._now, **seen)
        if standing.verdict is None or standing.verdict.outcome == "succeeded":
            return standing
        return judge_rollout(applied=applied, events=self._events(work), now=self._now, **seen)

    def _stopped(self, work: Work, applied: Applied) -> Verdict:
        if work.attempt.stop_reason == StopReason.TIMEOUT and work.order.timeout:
            return judge_rollout_timeout(
                applied=applied,
                events=self._events(work),
                timeout=work.order.timeout,
                now=self._now,
                **self._seen(work),
            )
        return Verdict("cancelled", "cancelled", "Its rollout is not waited for any more.")

    def _rolls_back(self, work: Work, verdict: Verdict, *, applied: Applied) -> bool:
        wanted = bool(work.order.params.get("rollback_on_failure"))
        undone = verdict.reason in ROLLED_BACK_AFTER or verdict.outcome == "cancelled"
        return wanted and undone and applied.changed and applied.revision_before is not None

    def _roll_back(self, work: Work, verdict: Verdict, *, applied: Applied) -> None:
        """Apply the pod template of the revision before, and go on following until that is out."""
        sets = self._snapshot.replica_sets.get(self._place(work), [])
        template = template_of_revision(sets, uid=applied.uid, revision=applied.revision_before or "")
        if template is None:
            message = f"{verdict.message} It cannot be rolled back: revision {applied.revision_before} is gone."
            self._findings.end(work, Verdict(**{**asdict(verdict), "message": message}))
            return
        try:
            back = self._apply(work, rollback_manifest(work.order, template=template))
        except REFUSALS as error:
            if refused := refusal(error, work=work):
                message = f"{verdict.message} Rolling back failed: {refused.message}"
                self._findings.end(work, Verdict(**{**asdict(verdict), "message": message}))
            return
        rollback = Applied.of(back, before=self._snapshot.deployments.get(self._place(work)), applied_at=self._now)
        self._findings.note(work, decided=asdict(work.cleared(verdict)), rollback=rollback.to_json())

    def _follow_rollback(self, work: Work, verdict: Verdict) -> None:
        standing = self._standing(work, Applied.from_json(work.notes["rollback"]))
        if standing.verdict is None:
            self._report(work, standing)
            return
        back = standing.verdict
        said = "Rolled back" if back.outcome == "succeeded" else f"Rolling back failed ({back.reason}): {back.message}"
        evidence = {**verdict.evidence, "rollback": {"outcome": back.outcome, "reason": back.reason}}
        self._findings.end(
            work, Verdict(**{**asdict(verdict), "message": f"{verdict.message} {said}.", "evidence": evidence})
        )

    def _seen(self, work: Work) -> dict[str, Any]:
        place = self._place(work)
        deployment = self._snapshot.deployments.get(place)
        return {
            "deployment": work.masked(deployment) if deployment else None,
            "pods": [work.masked(pod) for pod in self._snapshot.pods_of_deployment.get(place, [])],
            "replica_sets": [work.masked(each) for each in self._snapshot.replica_sets.get(place, [])],
        }

    def _events(self, work: Work) -> list[Object]:
        seen = self._seen(work)
        objects = [seen["deployment"], *seen["replica_sets"][-2:], *seen["pods"][:3]]
        abouts = [found["metadata"]["uid"] for found in objects if found]
        events = [event for about in abouts for event in self._api.list_events(work.order.namespace, about=about)]
        return [work.masked(event) for event in events]

    def _report(self, work: Work, standing: Standing) -> None:
        job, attempt = work.key
        message = work.told(standing.message)
        self._findings.items.append(
            Progress(job=job, attempt=attempt, event="progress", progress=standing.progress, message=message)
            if standing.message or standing.progress is not None
            else Alive(job=job, attempt=attempt, event="alive")
        )

    def _place(self, work: Work) -> tuple[str, str]:
        return work.order.namespace, deployment_name(work.order)


def _not_owned(work: Work) -> Verdict:
    name = deployment_name(work.order)
    return Verdict(
        "failed",
        "not_owned",
        f"A Deployment named {name!r} exists in {work.order.namespace!r} that is not this client's; choose another "
        "name, or have the operator hand it over.",
    )
