from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from pipelines.models import Job
from runners.models.runner import Runner
from runners.querysets import AttemptQuerySet


class Outcome(models.TextChoices):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class StopReason(models.TextChoices):
    CANCEL = "cancel"
    TIMEOUT = "timeout"


class Attempt(models.Model):
    """One try at a job on a runner; live while its outcome is empty.

    Inserted by the claim; written afterwards only by who holds the job's row lock. The lease is the fence: while it
    holds, the work may be running and no other attempt begins.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField(help_text="From 1.")
    runner = models.ForeignKey(
        Runner, null=True, on_delete=models.SET_NULL, related_name="attempts", help_text="Unset once it is deleted."
    )
    runner_name = models.CharField(max_length=255)
    worker = models.CharField(max_length=255, blank=True, help_text="The process that began it and owns it.")
    claimed_at = models.DateTimeField()
    sent_at = models.DateTimeField(help_text="When its execute request was last sent.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField()
    deadline_at = models.DateTimeField(null=True, help_text="When its job's timeout is over by our clock.")
    stop_requested_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=7, choices=StopReason.choices, blank=True)
    stop_by = models.DateTimeField(
        null=True, help_text="Past this no report renews the lease: its runner was told to stop."
    )
    outcome = models.CharField(max_length=9, choices=Outcome.choices, blank=True)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    reason = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    evidence = models.JSONField(default=dict, help_text="What backs the outcome, late reports included.")
    log_size = models.BigIntegerField(default=0, help_text="Bytes of log reported so far.")

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ("job", "number")
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="attempt_number_unique"),
            models.UniqueConstraint(fields=["job"], name="attempt_one_live", condition=models.Q(outcome="")),
            models.CheckConstraint(name="attempt_outcome_known", condition=models.Q(outcome__in=["", *Outcome.values])),
            models.CheckConstraint(
                name="attempt_finished_at_iff_over",
                condition=models.Q(outcome="", finished_at__isnull=True)
                | (~models.Q(outcome="") & models.Q(finished_at__isnull=False)),
            ),
        ]
        indexes = [
            # All that are live, a pool's worth. None of leases and deadlines: with one, each renewal would have to
            # write a row anew in every index.
            models.Index(fields=["runner"], name="attempt_live_of_runner", condition=models.Q(outcome="")),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of job {self.job_id}"

    @property
    def is_over(self) -> bool:
        return bool(self.outcome)

    def begin(self, *, worker: str, timeout: int | None, now: datetime) -> None:
        """Note in memory that the worker began it and owns it from now on; `timeout` in seconds."""
        self.worker, self.started_at = worker, now
        self.deadline_at = now + timedelta(seconds=timeout) if timeout else None

    def end(
        self,
        *,
        outcome: Outcome,
        now: datetime,
        reason: str = "",
        message: str = "",
        exit_code: int | None = None,
        signal: int | None = None,
    ) -> None:
        """Note in memory that it is over; from then on no report changes it."""
        self.outcome, self.finished_at = outcome, now
        self.reason, self.message = reason, message
        self.exit_code, self.signal = exit_code, signal

    def request_stop(self, *, reason: StopReason, now: datetime) -> None:
        """Note in memory that its runner is to stop it; a cancel that follows a timeout changes nothing."""
        if self.stop_requested_at is None:
            self.stop_requested_at, self.stop_reason = now, reason

    def renew_lease(self, *, now: datetime) -> None:
        """Note in memory that its runner was heard.

        Once a stop was asked, the first report bounds the lease to STOP_GRACE_SECONDS and no later one extends it.
        """
        if self.stop_requested_at is None:
            self.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
            return
        if self.stop_by is None:
            self.stop_by = now + timedelta(seconds=settings.STOP_GRACE_SECONDS)
        self.lease_until = min(self.lease_until, self.stop_by)


class LogChunk(models.Model):
    """A piece of an attempt's log, as bytes of UTF-8; offsets go on counting across what was cut (see logs)."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="log_chunks", db_index=False)
    offset = models.BigIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ("attempt", "offset")
        constraints = [models.UniqueConstraint(fields=["attempt", "offset"], name="log_chunk_offset_unique")]

    def __str__(self) -> str:
        return f"log of {self.attempt_id} from {self.offset}"
