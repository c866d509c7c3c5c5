"""Retention: finished pipelines go after RETENTION_DAYS, in batches, so that no lock is held for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from pipelines.models import IdempotencyKey, Pipeline
from pipelines.models.submission import KEY_LIFETIME
from pipelines.states import FINISHED

_BATCH = 20


def prune(*, now: datetime) -> int:
    """Delete what is past its retention; return how many pipelines that were."""
    IdempotencyKey.objects.filter(created_at__lt=now - KEY_LIFETIME).delete()
    old = Pipeline.objects.filter(
        state__in=FINISHED, finished_at__lt=now - timedelta(days=settings.RETENTION_DAYS)
    ).order_by("finished_at")
    pruned = 0
    while batch := list(old.values_list("pk", flat=True)[:_BATCH]):
        delete_pipelines(batch)
        pruned += len(batch)
    return pruned


@transaction.atomic
def delete_pipelines(ids: list[int]) -> int:
    """Delete finished pipelines with all that belongs to them; return how many. Those not ended are left alone."""
    locked = [pipeline.pk for pipeline in Pipeline.objects.lock(ids) if pipeline.is_finished]
    Pipeline.objects.filter(pk__in=locked).delete()
    return len(locked)
