"""Retention: finished pipelines go after RETENTION_DAYS, in batches, so that no transaction is long."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from pipelines.bulk import delete_with_dependants
from pipelines.models import IdempotencyKey, Job, Pipeline
from pipelines.models.submission import KEY_LIFETIME
from pipelines.querysets import PipelineQuerySet
from pipelines.states import FINISHED

# In one transaction: so many pipelines, and as many as have so many jobs, be it one.
_BATCH = 200
_BATCH_JOBS = 20_000
# In one statement: logs weigh, and no statement may run longer than STATEMENT_TIMEOUT_SECONDS.
_JOBS_AT_ONCE = 1_000


def prune(*, now: datetime) -> int:
    """Delete what is past its retention; return how many pipelines that were."""
    IdempotencyKey.objects.filter(created_at__lt=now - KEY_LIFETIME).delete()
    old = Pipeline.objects.filter(
        state__in=FINISHED, finished_at__lt=now - timedelta(days=settings.RETENTION_DAYS)
    ).order_by("finished_at")
    pruned = 0
    while batch := _next_batch(old):
        delete_pipelines(batch)
        pruned += len(batch)
    return pruned


def _next_batch(old: PipelineQuerySet) -> list[int]:
    batch: list[int] = []
    jobs = 0
    for pipeline_id, declared_jobs in old.values_list("pk", "declared_jobs")[:_BATCH]:
        jobs += declared_jobs
        if batch and jobs > _BATCH_JOBS:
            break
        batch.append(pipeline_id)
    return batch


@transaction.atomic
def delete_pipelines(ids: list[int]) -> int:
    """Delete finished pipelines with all that belongs to them; return how many. Those not ended are left alone.

    One transaction, so that nobody sees half of a pipeline. It locks nothing that anybody writes: they have ended.
    """
    locked = [pipeline.pk for pipeline in Pipeline.objects.lock(ids) if pipeline.is_finished]
    jobs = list(Job.objects.filter(pipeline__in=locked).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(jobs), _JOBS_AT_ONCE):
        delete_with_dependants(Job.objects.filter(pk__in=jobs[start : start + _JOBS_AT_ONCE]))
    # Not looked for again: by their stages no index finds them.
    delete_with_dependants(Pipeline.objects.filter(pk__in=locked), gone=(Job,))
    return len(locked)
