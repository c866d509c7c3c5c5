"""Sets of rows that have a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import RawSQL

from clients import rows
from pipelines.states import UNFINISHED

if TYPE_CHECKING:
    from pipelines.models import Event as Event
    from pipelines.models import Job, Pipeline


# Where SQL is raw here the query is on the way of every report or request: Django takes longer to build one than
# PostgreSQL to answer it.
class PipelineQuerySet(models.QuerySet["Pipeline"]):
    def visible_to(self, principal: Any) -> PipelineQuerySet:
        """Return what the principal may see: a client its own, staff everything."""
        return self if principal.is_staff else self.filter(client=principal)

    def unfinished(self) -> PipelineQuerySet:
        return self.filter(state__in=UNFINISHED)

    def lock(self, ids: Iterable[int]) -> list[Pipeline]:
        """Lock the rows FOR NO KEY UPDATE in id order, in a statement of its own, and return them.

        To be taken before looking at their jobs: two jobs that end at the same moment must not each see the other
        unfinished. Lock order everywhere: client, pipelines by id, jobs by id.
        """
        statement = "SELECT {columns} FROM pipelines_pipeline WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
        return rows.read(self.model, statement, [list(set(ids))])

    def lock_one(self, pk: int) -> Pipeline:
        """Lock and return the pipeline as it now stands; raise Pipeline.DoesNotExist if it was deleted meanwhile."""
        return self.select_for_update(no_key=True).get(pk=pk)


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, principal: Any) -> JobQuerySet:
        """Return what the principal may see: a client its own, staff everything."""
        return self if principal.is_staff else self.filter(client=principal)

    def lock(self, ids: Iterable[int]) -> list[Job]:
        """Lock the rows FOR NO KEY UPDATE in id order and return them; an attempt is written under its job's lock.

        The wide columns, params and result, are read when they are asked for.
        """
        statement = "SELECT {columns} FROM pipelines_job WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
        return rows.read(self.model, statement, [list(set(ids))], without=("params", "result"))

    def lock_all(self) -> list[int]:
        """Lock every row of the set likewise and return the ids, leaving the wide columns unread."""
        return list(self.order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))

    def lock_one(self, pk: int) -> Job:
        """Lock and return the job as it now stands; raise Job.DoesNotExist if it was deleted meanwhile."""
        return self.select_for_update(no_key=True, of=("self",)).get(pk=pk)


class EventQuerySet(models.QuerySet["Event"]):
    def settled(self) -> EventQuerySet:
        """Return the events older than every open transaction: none can appear before the last of them any more."""
        return self.filter(transaction__lt=RawSQL("pg_snapshot_xmin(pg_current_snapshot())", ()))
