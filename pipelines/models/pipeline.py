from __future__ import annotations

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Now

from pipelines.models import constraints, triggers
from pipelines.querysets import PipelineQuerySet
from pipelines.states import FINISHED, UNFINISHED, State


class Pipeline(models.Model):
    """A whole process submitted by a client: ordered stages of jobs.

    Its state follows from its jobs: claiming starts it, settling ends it. Whoever moves its jobs, or adds or deletes
    some, holds its row lock (FOR NO KEY UPDATE) first; the claim, which never waits, skips it while it is held.
    """

    client = models.ForeignKey("clients.Client", on_delete=models.PROTECT, related_name="pipelines", db_index=False)
    name = models.CharField(max_length=255, blank=True)
    priority = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(constraints.PRIORITY_MAX)],
        help_text=f"Order among the client's pipelines. {constraints.PRIORITY_HELP}",
    )
    labels = models.JSONField(default=dict, blank=True)
    callback_url = models.CharField(max_length=2048, blank=True)
    state = models.CharField(max_length=11, choices=State.choices, default=State.READY)
    reason = models.CharField(max_length=64, blank=True)
    warnings = models.PositiveIntegerField(default=0, help_text="Failures tolerated by allow_failure.")
    divided = models.BooleanField(default=False, help_text="Whether its jobs exist yet.")
    declared_jobs = models.PositiveIntegerField(default=0, help_text="Jobs it has or, until it is divided, will have.")
    ended_jobs = models.IntegerField(db_default=0, editable=False, help_text="How many of its jobs have ended.")
    rerun_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a failure ended it early: nothing is started any more."
    )

    objects = PipelineQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            constraints.state_fits_end("pipeline"),
            constraints.priority_in_range("pipeline"),
        ]
        indexes = [
            models.Index(fields=["client", "-id"], name="pipeline_of_client"),
            models.Index(fields=["id"], name="pipeline_unfinished", condition=models.Q(state__in=UNFINISHED)),
            models.Index(fields=["finished_at"], name="pipeline_finished", condition=models.Q(state__in=FINISHED)),
            models.Index(fields=["name"], name="pipeline_name"),
            # A pipeline that is deleted is looked for in its reruns.
            models.Index(fields=["rerun_of"], name="pipeline_rerun_of", condition=models.Q(rerun_of__isnull=False)),
        ]
        triggers = [*triggers.state_events("pipeline"), triggers.only_ready_at_first("pipeline")]

    def __str__(self) -> str:
        return self.name or f"pipeline {self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    @property
    def progress(self) -> int:
        return progress(self.state, jobs=self.declared_jobs, ended=self.ended_jobs)

    @property
    def is_stopped(self) -> bool:
        """Tell whether nothing of it is started or retried any more, though some of it may still run."""
        return self.stopped_at is not None or self.cancel_requested_at is not None


def progress(state: str, *, jobs: int, ended: int) -> int:
    """Return how much of a pipeline has ended, in percent of its jobs."""
    if state in FINISHED:
        return 100
    return ended * 100 // jobs if jobs else 0


class Stage(models.Model):
    """A step of a pipeline: its jobs run side by side once every earlier stage has passed.

    Written only under the pipeline's row lock, or by the statement that makes the pipeline: the database checks its
    reference no more than a job's.
    """

    pipeline = models.ForeignKey(
        Pipeline, on_delete=models.CASCADE, related_name="stages", db_index=False, db_constraint=False
    )
    name = models.CharField(max_length=255)
    position = models.PositiveIntegerField(help_text="From 0; the smaller number runs first.")
    state = models.CharField(max_length=11, choices=State.choices, default=State.READY)
    warnings = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, editable=False, help_text="When every earlier stage had passed.")
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("pipeline", "position")
        constraints = [
            models.UniqueConstraint(fields=["pipeline", "name"], name="stage_name_unique"),
            models.UniqueConstraint(fields=["pipeline", "position"], name="stage_position_unique"),
            constraints.state_fits_end("stage"),
        ]
        triggers = [*triggers.state_events("stage"), triggers.only_ready_at_first("stage")]

    def __str__(self) -> str:
        return self.name
