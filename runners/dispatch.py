"""Send claimed jobs to their runners, after the commit that claimed them and outside every transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from pipelines import kinds
from pipelines.models import Job
from runners import tokens
from runners.claiming import Claim
from runners.executors import executor_for
from runners.executors.base import ExecuteRequest
from runners.models import Attempt, Runner


def send(claims: Iterable[Claim]) -> None:
    """Hand the claimed jobs to their runners' executors.

    A request that gets lost is sent again by `resend` until its lease ends, under the same attempt.
    """
    of_runner: dict[int, list[Claim]] = {}
    for claim in claims:
        of_runner.setdefault(claim.runner, []).append(claim)
    for runner in Runner.objects.filter(pk__in=of_runner).only("name", "type"):
        executor_for(runner.type).execute(runner.name, _requests(of_runner[runner.pk]))


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
        rows = list(due.filter(job__in=jobs).values_list("pk", "job_id", "number", "runner_id"))
        Attempt.objects.filter(pk__in=[pk for pk, *_ in rows]).update(sent_at=now)
    send(Claim(job=job, attempt=number, runner=runner) for _, job, number, runner in rows)
    return len(rows)


def _requests(claims: list[Claim]) -> list[ExecuteRequest]:
    jobs = Job.objects.only("kind", "version", "params", "timeout").in_bulk([claim.job for claim in claims])
    # A job that was deleted with its pipeline meanwhile needs no runner.
    return [_request(claim, job=jobs[claim.job]) for claim in claims if claim.job in jobs]


def _request(claim: Claim, *, job: Job) -> ExecuteRequest:
    work = kinds.work_of(job.kind, job.version, job.params)
    return ExecuteRequest(
        job=claim.job,
        attempt=claim.attempt,
        kind=work.kind,
        version=work.version,
        params=dict(work.params),
        timeout=job.timeout,
        report_url=f"{settings.PUBLIC_URL}/api/v1/jobs/{claim.job}/report/",
        token=tokens.attempt_token(job=claim.job, attempt=claim.attempt),
        lease_seconds=settings.LEASE_SECONDS,
    )
