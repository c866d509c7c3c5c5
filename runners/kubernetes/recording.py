"""Write what a round found out: reports as every runner's, notes for the next round, ends under the usual locks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from pipelines.models import Job, Pipeline
from runners.finishing import End, finish
from runners.kubernetes.standing import Verdict
from runners.kubernetes.work import NOTES, Findings
from runners.models import Attempt, Outcome
from runners.reports import apply
from runners.reports.items import clean

_BATCH = 200


def record(findings: Findings, *, runner: int, now: datetime) -> None:
    """Write the findings and empty them; each transaction bounded, an attempt's log and its cursor in one."""
    items, notes, ends = findings.items, findings.notes, findings.ends
    findings.items, findings.notes, findings.ends = [], {}, {}
    attempts = {*notes, *ends}
    keys = dict(Attempt.objects.filter(pk__in=attempts).values_list("pk", "job_id"))
    jobs = sorted({item.job for item in items} | set(keys.values()))
    for start in range(0, len(jobs), _BATCH):
        batch = set(jobs[start : start + _BATCH])
        chosen = [pk for pk, job in keys.items() if job in batch]
        with transaction.atomic():
            pipelines = Pipeline.objects.lock(
                Job.objects.filter(pk__in=[keys[pk] for pk in chosen if pk in ends]).values_list(
                    "pipeline_id", flat=True
                )
            )
            apply([item for item in items if item.job in batch], allowed=None, runner=runner, now=now)
            _write(
                {pk: notes.get(pk, {}) for pk in chosen}, ends={pk: ends[pk] for pk in chosen if pk in ends},
                pipelines=pipelines, now=now,
            )  # fmt: skip


def _write(
    notes: dict[int, dict[str, Any]], *, ends: dict[int, Verdict], pipelines: list[Pipeline], now: datetime
) -> None:
    if not notes:
        return
    jobs = {
        job.pk: job for job in Job.objects.lock(Attempt.objects.filter(pk__in=notes).values_list("job_id", flat=True))
    }
    # Read under the lock: somebody else may have ended it meanwhile, and then nothing is changed.
    attempts = list(Attempt.objects.live().filter(pk__in=notes, job__in=jobs))
    ended = []
    for attempt in attempts:
        attempt.evidence = attempt.evidence | {NOTES: (attempt.evidence.get(NOTES) or {}) | notes[attempt.pk]}
        if verdict := ends.get(attempt.pk):
            _end(attempt, verdict=verdict, now=now)
            ended.append(End(attempt=attempt, job=jobs[attempt.job_id]))
    finish(ended, pipelines=pipelines, now=now)
    Attempt.objects.write(attempts)


def _end(attempt: Attempt, *, verdict: Verdict, now: datetime) -> None:
    # What only the rounds needed goes; what tells a person why stays.
    attempt.evidence = {name: value for name, value in attempt.evidence.items() if name != NOTES} | verdict.evidence
    attempt.end(
        outcome=Outcome(verdict.outcome),
        now=now,
        reason=clean(verdict.reason)[:64],
        message=clean(verdict.message),
        exit_code=verdict.exit_code,
        signal=verdict.signal,
    )
