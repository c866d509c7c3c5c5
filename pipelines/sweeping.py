"""The net under messages and processes: divide what a lost message left, settle what was missed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from pipelines import division, settling
from pipelines.models import Job, Pipeline, Stage
from pipelines.nudges import nudge
from pipelines.states import UNFINISHED

logger = logging.getLogger(__name__)

_BATCH = 200
# A message just sent is given the time to arrive.
_PATIENCE = timedelta(seconds=10)


def sweep(*, now: datetime) -> None:
    """Divide and settle every pipeline that waits for nothing but that."""
    for batch in _overdue():
        with transaction.atomic():
            Pipeline.objects.lock(batch)
            settling.settle(batch, now=now)
            nudge()
    waiting = Pipeline.objects.unfinished().filter(divided=False, created_at__lt=now - _PATIENCE).order_by("id")
    for pipeline_id in waiting.values_list("pk", flat=True):
        try:
            division.divide_submitted(pipeline_id)
        except Exception:
            # Whatever is the matter with one, it must not keep the others waiting; the next round tries it again.
            logger.exception("division put off", extra={"pipeline": pipeline_id})


def overdue_pipelines() -> list[int]:
    """Return the divided, unfinished pipelines whose first unfinished stage has nothing left to do, or is not open."""
    current = Stage.objects.filter(pipeline=OuterRef("pk"), state__in=UNFINISHED)
    has_work = Exists(
        Job.objects.filter(client=OuterRef("pipeline__client"), stage=OuterRef("pk"), state__in=UNFINISHED)
    )
    working = current.filter(has_work, opened_at__isnull=False)
    # A stopped pipeline opens no stage: it has work only while something still runs.
    idle = Pipeline.objects.unfinished().filter(~Exists(working), divided=True)
    return list(idle.order_by("id").values_list("pk", flat=True))


def _overdue() -> Iterator[list[int]]:
    overdue = overdue_pipelines()
    for start in range(0, len(overdue), _BATCH):
        yield overdue[start : start + _BATCH]
