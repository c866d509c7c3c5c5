"""The attempts a cluster is to be told of, and what a round finds out about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from clients.sealing import seal, unseal
from pipelines import kinds
from runners.filling import fill, values_for
from runners.kubernetes.objects import Order
from runners.kubernetes.standing import Verdict
from runners.masking import Masker
from runners.models import Attempt, Cluster, Installation
from runners.reports import Item

SECRETS = "secrets"
"""The note that holds, sealed, the values an attempt was given: its log is masked by them, not by later ones."""

# Where the cluster's own words stand, which may quote what a container was given.
_QUOTING = frozenset({"message", "image"})

NOTES = "kubernetes"
"""Under this name an attempt's evidence keeps what one round notes for the next, which may run in another process."""


@dataclass
class Work:
    """A live attempt, the order it stands for, and the notes of earlier rounds."""

    attempt: Attempt
    order: Order
    notes: dict[str, Any]
    _masker: Masker | None = None

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
    def masker(self) -> Masker | None:
        """Return what masks the secrets it was given, if it was given any; raise UnsealError if their key is gone."""
        if self._masker is None and SECRETS in self.notes:
            filled = fill(self.attempt.job, values=self._noted())
            self._masker = Masker(filled.mask)
        return self._masker

    def filled(self, findings: Findings) -> Order:
        """Return the order with its secrets filled in, those of an earlier round if it got that far; raise Unfillable.

        Notes them: have the findings written before the cluster is told.
        """
        values = self._noted() if SECRETS in self.notes else values_for([self.attempt.job])
        filled = fill(self.attempt.job, values=values)
        if SECRETS not in self.notes and filled.mask:
            findings.note(self, **{SECRETS: seal(json.dumps(dict(filled.secrets)))})
        return replace(self.order, params=dict(filled.work.params))

    def masked(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return an object of the cluster, or an event, without the secrets that its messages may quote."""
        masker = self.masker
        if masker is None:
            return found
        return found | {name: _masked(found[name], masker=masker) for name in ("status", "message") if name in found}

    def told(self, text: str) -> str:
        """Return somebody's words about it, without its secrets."""
        return self.masker.excerpt(text) if self.masker else text

    def cleared(self, verdict: Verdict) -> Verdict:
        """Return the verdict, without its secrets."""
        if self.masker is None:
            return verdict
        return replace(verdict, message=self.told(verdict.message), evidence=self.masker.value(verdict.evidence))

    def _noted(self) -> dict[tuple[int, str], str | None]:
        noted = json.loads(unseal(self.notes[SECRETS]))
        return {(self.order.client, name): value for name, value in noted.items()}

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
        self.ends[work.attempt.pk] = work.cleared(verdict)


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


def _masked(value: Any, *, masker: Masker) -> Any:
    if isinstance(value, str):
        return masker.text(value)
    if isinstance(value, list):
        return [_masked(item, masker=masker) if isinstance(item, dict | list) else item for item in value]
    if isinstance(value, dict):
        return {
            name: _masked(item, masker=masker) if name in _QUOTING or isinstance(item, dict | list) else item
            for name, item in value.items()
        }
    return value


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
