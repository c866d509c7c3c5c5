from __future__ import annotations

from django.db import models
from django.db.models import Func
from django.db.models.functions import Now

from pipelines.models.pipeline import Pipeline
from pipelines.querysets import EventQuerySet


class TransactionId(models.Field):  # type: ignore[type-arg]
    """PostgreSQL's xid8: the transaction that wrote a row."""

    def db_type(self, connection: object) -> str:
        return "xid8"


class CurrentTransactionId(Func):
    function = "pg_current_xact_id"
    arity = 0
    output_field = TransactionId()


class Event(models.Model):
    """One transition of a pipeline, stage or job; written by the tables' triggers and never changed.

    Ids are drawn before their transaction commits, so a reader that resumes after an id must look only at what is
    older than every open transaction: `Event.objects.settled()`.
    """

    # Not checked by the database: only the triggers write here, of rows that are there.
    pipeline = models.ForeignKey(
        Pipeline, on_delete=models.CASCADE, related_name="events", db_index=False, db_constraint=False
    )
    subject = models.CharField(max_length=8)
    # No foreign keys: a deleted job's history stays with its pipeline.
    stage_id = models.BigIntegerField(null=True)
    job_id = models.BigIntegerField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    runner_name = models.CharField(max_length=255, blank=True)
    from_state = models.CharField(max_length=11, blank=True)
    to_state = models.CharField(max_length=11)
    reason = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(db_default=Now(), editable=False)
    transaction = TransactionId(db_default=CurrentTransactionId(), editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["pipeline", "id"], name="event_of_pipeline")]

    def __str__(self) -> str:
        return f"{self.subject} {self.from_state} → {self.to_state}"
