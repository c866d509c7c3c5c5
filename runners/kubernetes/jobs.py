"""Follow one K8S/Job attempt: create its Job, judge it, stop it, and end the attempt once its object allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from runners.filling import Unfillable
from runners.kubernetes.beginning import REFUSALS, is_still_wanted, not_allowed, refusal
from runners.kubernetes.exceptions import AlreadyThere, NotFound
from runners.kubernetes.job_verdicts import ending_message, judge_job, judge_timeout
from runners.kubernetes.log_copying import LogCopier, Logs
from runners.kubernetes.objects import is_of_attempt, job_manifest, object_name
from runners.kubernetes.reading import owned_by, uid_of
from runners.kubernetes.snapshot import Snapshot
from runners.kubernetes.standing import Standing, Verdict
from runners.kubernetes.work import SECRETS, Findings, Work
from runners.models import Cluster, StopReason
from runners.reports.items import Alive, Progress, Started

Object = dict[str, Any]
_LOOKS_PER_ROUND = 10


class Jobs(Logs, Protocol):
    """The part of a cluster's API that Jobs need."""

    def create_job(self, namespace: str, manifest: Object) -> Object: ...
    def get_job(self, namespace: str, name: str) -> Object: ...
    def list_events(self, namespace: str, *, about: str) -> list[Object]: ...


class JobFollower:
    """Follows the K8S/Job attempts of one round; `to_delete` is deleted once the findings are written."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        api: Jobs,
        snapshot: Snapshot,
        findings: Findings,
        logs: LogCopier,
        flush: Callable[[], None],
        now: datetime,
    ) -> None:
        self._cluster = cluster
        self._api = api
        self._snapshot = snapshot
        self._findings = findings
        self._logs = logs
        self._flush = flush
        self._now = now
        self._looks = _LOOKS_PER_ROUND
        self.to_delete: list[Object] = []
        self.running: list[tuple[Work, list[Object]]] = []

    def follow(self, work: Work) -> None:
        """Bring the attempt one step on; raise ClusterError if the API server does not answer."""
        found = self._snapshot.jobs.get(work.place)
        if found is None:
            self._without_object(work)
            return
        found = work.masked(found)
        pods = [work.masked(pod) for pod in owned_by(uid_of(found), among=self._snapshot.pods.get(work.key, []))]
        if not work.is_started:
            self._started(work, found)
        if work.decided:
            self._delete(found)
            self._report(work, Standing(message=ending_message(pods, now=self._now)))
            return
        standing = self._judge(work, found, pods)
        if standing.verdict and not standing.must_delete:
            # Reached by itself, before any signal of ours: a stop that comes later changes nothing.
            if self._logs.copy_all(work, pods, patiently=not work.is_to_stop):
                self._end(work, standing.verdict)
                self.to_delete.append(found)
        elif work.is_to_stop or standing.verdict:
            verdict = self._stopped(work, found, pods) if work.is_to_stop else standing.verdict
            self._logs.copy_all(work, pods, patiently=False)
            self._findings.note(work, decided=asdict(work.cleared(verdict)) if verdict else None)
            self.to_delete.append(found)
        else:
            self.running.append((work, pods))
            self._report(work, standing)

    def _without_object(self, work: Work) -> None:
        if work.decided:
            self._end(work, work.decided)
        elif work.is_to_stop:
            self._end(work, self._stopped(work, None, []))
        elif work.is_started:
            message = "Its Job is gone from the cluster: somebody or something deleted it."
            self._end(work, Verdict("lost", "object_gone", message))
        else:
            self._create(work)

    def _create(self, work: Work) -> None:
        if not is_still_wanted(work):
            return
        if verdict := not_allowed(work, cluster=self._cluster):
            self._end(work, verdict)
            return
        try:
            created = self._create_or_find(work)
        except Unfillable as unfillable:
            self._end(work, Verdict("failed", unfillable.reason, unfillable.message))
            return
        except REFUSALS as error:
            if verdict := refusal(error, work=work):
                self._end(work, verdict)
            return
        if created is None:
            return
        if is_of_attempt(created, order=work.order):
            self._started(work, created)
        else:
            name = object_name(work.order)
            self._end(work, Verdict("failed", "name_taken", f"A Job named {name} exists that is not ours; remove it."))

    def _create_or_find(self, work: Work) -> Object | None:
        """Create the object, or find the one that an earlier round created and did not come to note.

        None of a namesake that went in between: the next round tries again.
        """
        filled = work.filled(self._findings)
        if SECRETS in work.notes:
            # Written before the cluster is told: a crash in between must not leave an object with values that are
            # noted nowhere.
            self._flush()
        try:
            return self._api.create_job(work.order.namespace, job_manifest(filled))
        except AlreadyThere:
            try:
                return self._api.get_job(work.order.namespace, object_name(work.order))
            except NotFound:
                return None

    def _judge(self, work: Work, found: Object, pods: list[Object]) -> Standing:
        standing = judge_job(found, pods=pods, events=[], now=self._now)
        went_wrong = standing.verdict is not None and standing.verdict.outcome != "succeeded"
        if not went_wrong and not (standing.wants_events and self._may_look()):
            return standing
        # Only what went wrong, or does not come to pass, is worth requests of its own.
        return judge_job(found, pods=pods, events=self._events(work, found, pods), now=self._now)

    def _may_look(self) -> bool:
        """Take one of the round's looks at what waiting Jobs wait for: requests grow with rounds, not with jobs."""
        self._looks -= 1
        return self._looks >= 0

    def _stopped(self, work: Work, found: Object | None, pods: list[Object]) -> Verdict:
        if work.attempt.stop_reason == StopReason.TIMEOUT and work.order.timeout:
            events = self._events(work, found, pods) if found else []
            return judge_timeout(found, pods=pods, events=events, timeout=work.order.timeout, now=self._now)
        return Verdict("cancelled", "cancelled", "It was cancelled.")

    def _events(self, work: Work, found: Object, pods: list[Object]) -> list[Object]:
        abouts = [found["metadata"]["uid"], *(pod["metadata"]["uid"] for pod in pods[:3])]
        namespace = found["metadata"]["namespace"]
        return [work.masked(event) for about in abouts for event in self._api.list_events(namespace, about=about)]

    def _started(self, work: Work, found: Object) -> None:
        self._findings.items.append(
            Started(job=work.order.job, attempt=work.order.attempt, event="started", worker=found["metadata"]["uid"])
        )

    def _report(self, work: Work, standing: Standing) -> None:
        job, attempt = work.key
        message = work.told(standing.message)
        if (standing.progress, message) == tuple(work.notes.get("said", (None, ""))):
            self._findings.items.append(Alive(job=job, attempt=attempt, event="alive"))
            return
        self._findings.items.append(
            Progress(job=job, attempt=attempt, event="progress", progress=standing.progress, message=message)
        )
        self._findings.note(work, said=[standing.progress, message])

    def _delete(self, found: Object) -> None:
        if not found["metadata"].get("deletionTimestamp"):
            self.to_delete.append(found)

    def _end(self, work: Work, verdict: Verdict) -> None:
        self._logs.flush(work)
        if warnings := work.notes.get("log_warnings"):
            verdict.evidence["log_warnings"] = warnings
        self._findings.end(work, verdict)
