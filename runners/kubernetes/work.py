"""The attempts a cluster is to be told of, and what a round finds out about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from pipelines import kinds
from runners.kubernetes.objects import Order
from runners.kubernetes.standing import Verdict
from runners.models import Attempt, Cluster, Installation
from runners.reports import Item

NOTES = "kubernetes"
"""Under this name an attempt's evidence keeps what one round notes for the next, which may run in another process."""


@dataclass
class Work:
    """A live attempt, the order it stands for, and the notes of earlier rounds."""

    attempt: Attempt
    order: Order
    notes: dict[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        return self.attempt.job_id, self.attempt.number

    @property
    def place(self) -> tuple[str, int, int]:
        """Return where a snapshot has its Job."""
        return self.order.namespace, *self.key

    @property
    def is_started(self) -> bool:
        return self.attempt.started_at is not None

    @property
    def is_to_stop(self) -> bool:
        return self.attempt.stop_requested_at is not None

    @property
    def decided(self) -> Verdict | None:
        """Return the verdict an earlier round reached, which waits for the object to be gone."""
        noted = self.notes.get("decided")
        return Verdict(**noted) if noted else None


@dataclass
class Findings:
    """What a round found out and has not written yet."""

    items: list[Item] = field(default_factory=list)
    notes: dict[int, dict[str, Any]] = field(default_factory=dict)
    ends: dict[int, Verdict] = field(default_factory=dict)

    def note(self, work: Work, **notes: Any) -> None:
        """Have the notes kept with the attempt."""
        work.notes |= notes
        self.notes.setdefault(work.attempt.pk, {}).update(notes)

    def end(self, work: Work, verdict: Verdict) -> None:
        """Have the attempt end with the verdict."""
        self.ends[work.attempt.pk] = verdict


def live_work(cluster: Cluster) -> list[Work]:
    """Return the live attempts of the cluster's runner, in the order in which they were claimed. Two queries."""
    install = Installation.current()
    attempts = (
        Attempt.objects.live()
        .filter(runner=cluster.runner_id)
        .select_related("job")
        .defer("job__result")
        .order_by("claimed_at", "pk")
    )
    return [
        Work(attempt=attempt, order=_order(attempt, cluster=cluster, install=install), notes=_notes(attempt.evidence))
        for attempt in attempts
    ]


def _order(attempt: Attempt, *, cluster: Cluster, install: str) -> Order:
    job = attempt.job
    work = kinds.work_of(job.kind, job.version, job.params)
    return Order(
        install=install,
        job=job.pk,
        attempt=attempt.number,
        job_name=job.name,
        client=job.client_id,
        kind=work.kind,
        version=work.version,
        params=dict(work.params),
        timeout=job.timeout,
        namespace=str(work.params.get("namespace") or cluster.namespace),
        stop_grace_seconds=max(int(settings.STOP_GRACE_SECONDS), 1),
    )


def _notes(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return dict(evidence.get(NOTES) or {})
