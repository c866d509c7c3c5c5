"""Send claimed jobs to their runners, after the commit that claimed them and outside every transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from clients import rows
from pipelines import clock
from pipelines.models import Job, Pipeline
from runners import filling, tokens
from runners.claiming import Claim
from runners.executors import executor_for
from runners.executors.base import ExecuteRequest
from runners.filling import Filled, Unfillable
from runners.finishing import End, finish
from runners.models import Attempt, Outcome, Runner

logger = logging.getLogger(__name__)


def send(claims: Iterable[Claim]) -> None:
    """Hand the claimed jobs to their runners' executors, secrets filled in; end those that cannot be sent so.

    A request that gets lost is sent again by `resend` until its lease ends, under the same attempt.
    """
    of_runner: dict[int, list[Claim]] = {}
    for claim in claims:
        of_runner.setdefault(claim.runner, []).append(claim)
    refused: dict[tuple[int, int], Unfillable] = {}
    statement = "SELECT {columns} FROM runners_runner WHERE id = ANY(%s) ORDER BY id"
    for runner in rows.read(Runner, statement, [list(of_runner)]):
        requests = _requests(of_runner[runner.pk], refused=refused)
        if requests:
            executor_for(runner.type).execute(runner.name, requests)
    if refused:
        _refuse(refused, now=clock.now())


def resend(*, now: datetime) -> int:
    """Send once more what was sent a heartbeat ago and has not started; return how many requests that were."""
    due = Attempt.objects.live().filter(
        started_at=None,
        stop_requested_at=None,
        runner__isnull=False,
        sent_at__lt=now - timedelta(seconds=settings.HEARTBEAT_SECONDS),
        lease_until__gt=now,
    )
    with transaction.atomic():
        # Under the jobs' locks, as every change of attempts: what starts meanwhile is not sent again.
        jobs = Job.objects.filter(pk__in=due.values("job")).lock_all()
        sent = list(due.filter(job__in=jobs).values_list("pk", "job_id", "number", "runner_id"))
        Attempt.objects.filter(pk__in=[pk for pk, *_ in sent]).update(sent_at=now)
    send(Claim(job=job, attempt=number, runner=runner) for _, job, number, runner in sent)
    return len(sent)


def _requests(claims: list[Claim], *, refused: dict[tuple[int, int], Unfillable]) -> list[ExecuteRequest]:
    """Return the requests for these claims, and note those that cannot be made."""
    statement = "SELECT {columns} FROM pipelines_job WHERE id = ANY(%s)"
    jobs = {job.pk: job for job in rows.read(Job, statement, [[claim.job for claim in claims]])}
    values = filling.values_for(jobs.values())
    requests = []
    for claim in claims:
        # A job that was deleted with its pipeline meanwhile needs no runner.
        if (job := jobs.get(claim.job)) is None:
            continue
        try:
            filled = filling.fill(job, values=values)
        except Unfillable as refusal:
            refused[claim.job, claim.attempt] = refusal
        else:
            requests.append(_request(claim, timeout=job.timeout, filled=filled))
    return requests


def _request(claim: Claim, *, timeout: int | None, filled: Filled) -> ExecuteRequest:
    work = filled.work
    request = ExecuteRequest(
        job=claim.job,
        attempt=claim.attempt,
        kind=work.kind,
        version=work.version,
        params=dict(work.params),
        timeout=timeout,
        report_url=f"{settings.PUBLIC_URL}/api/v1/jobs/{claim.job}/report/",
        token=tokens.attempt_token(job=claim.job, attempt=claim.attempt),
        lease_seconds=settings.LEASE_SECONDS,
    )
    if filled.mask:
        request["mask"] = list(filled.mask)
    return request


@transaction.atomic
def _refuse(refused: Mapping[tuple[int, int], Unfillable], *, now: datetime) -> None:
    """End the attempts that nobody was sent as failed, unless they have started all the same (sent again, that is)."""
    ids = {job for job, _ in refused}
    pipelines = Pipeline.objects.lock(Job.objects.filter(pk__in=ids).values_list("pipeline_id", flat=True))
    jobs = {job.pk: job for job in Job.objects.lock(ids)}
    waiting = Attempt.objects.live().filter(job__in=jobs, started_at=None)
    attempts = [attempt for attempt in waiting if (attempt.job_id, attempt.number) in refused]
    for attempt in attempts:
        refusal = refused[attempt.job_id, attempt.number]
        attempt.end(outcome=Outcome.FAILED, now=now, reason=refusal.reason, message=refusal.message)
        logger.warning(
            "job cannot be sent",
            extra={"job": attempt.job_id, "attempt": attempt.number, "reason": refusal.reason},
        )
    finish([End(attempt=each, job=jobs[each.job_id]) for each in attempts], pipelines=pipelines, now=now)
    Attempt.objects.write(attempts)
