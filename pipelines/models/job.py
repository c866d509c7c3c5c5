from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Now

from pipelines import moves
from pipelines.exceptions import InvalidTransition
from pipelines.models import constraints, triggers
from pipelines.models.pipeline import Pipeline, Stage
from pipelines.querysets import JobQuerySet
from pipelines.states import FINISHED, UNFINISHED, UNSUCCESSFUL, State


class Job(models.Model):
    """The smallest unit of work, of one kind and version.

    Created READY; the only edges are those of `pipelines.states.EDGES`, kept by `pipelines.moves` and, whoever writes,
    by the database. The columns from `client` to `stage_position` are copies, so that the claim reads one index.

    The database checks none of the references, since a check a row is what a division costs most: pipeline and stage
    are what the statement that makes the jobs made or holds locked, and all go together only (`pipelines.pruning`).
    """

    pipeline = models.ForeignKey(
        Pipeline, on_delete=models.CASCADE, related_name="jobs", db_index=False, db_constraint=False
    )
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="jobs", db_index=False, db_constraint=False)
    client = models.ForeignKey(
        "clients.Client", on_delete=models.PROTECT, related_name="jobs", db_index=False, db_constraint=False
    )
    pipeline_priority = models.PositiveSmallIntegerField(editable=False)
    stage_position = models.PositiveIntegerField(editable=False)

    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=255)
    version = models.CharField(max_length=64, help_text="The schema's version, resolved at submission.")
    priority = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(constraints.PRIORITY_MAX)],
        help_text=f"Order within its stage. {constraints.PRIORITY_HELP}",
    )
    params = models.JSONField(default=dict)
    retry_attempt = models.PositiveSmallIntegerField(default=0, help_text="Tries after the first that failed.")
    allow_failure = models.BooleanField(default=False, help_text="Whether its failure lets the pipeline go on.")
    timeout = models.PositiveIntegerField(null=True, blank=True, help_text="Seconds an attempt may run.")

    state = models.CharField(max_length=11, choices=State.choices, default=State.READY)
    reason = models.CharField(max_length=64, blank=True)
    attempt = models.PositiveIntegerField(default=0, help_text="Number of the latest attempt; 0 before the first.")
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Attempts that failed or timed out.")
    losses = models.PositiveIntegerField(default=0, editable=False, help_text="Attempts lost with their runner.")
    unstarted = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Attempts in a row that never started."
    )
    progress = models.PositiveSmallIntegerField(default=0)
    message = models.TextField(blank=True)
    result = models.JSONField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    signal = models.IntegerField(null=True, blank=True)
    runner_name = models.CharField(max_length=255, blank=True, help_text="Where the latest attempt went.")

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    eligible_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="From when it may be claimed; unset before its stage opens."
    )
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["pipeline", "name"], name="job_name_unique"),
            constraints.state_fits_end("job"),
            constraints.priority_in_range("job"),
            models.CheckConstraint(name="job_progress_range", condition=models.Q(progress__lte=100)),
        ]
        indexes = [
            # The claim's order within a (client, kind); only what may be claimed is in it.
            models.Index(
                fields=["client", "kind", "pipeline_priority", "stage_position", "priority", "id"],
                name="job_claim",
                condition=models.Q(state=State.READY, eligible_at__isnull=False),
                include=["eligible_at"],
            ),
            # The same order whoever's they are. Only a query that says `id > 0` may use it: who asks for a client's
            # first job would walk past those of all others.
            models.Index(
                fields=["pipeline_priority", "stage_position", "priority", "id"],
                name="job_front",
                condition=models.Q(state=State.READY, eligible_at__isnull=False, id__gt=0),
            ),
            models.Index(fields=["client"], name="job_in_progress", condition=models.Q(state=State.IN_PROGRESS)),
            # How many wait of a client, and whether a stage has work left.
            models.Index(
                fields=["client", "stage"],
                name="job_unfinished",
                condition=models.Q(state__in=UNFINISHED),
                include=["state"],
            ),
            models.Index(fields=["pipeline", "id"], name="job_of_pipeline"),
            models.Index(fields=["pipeline"], name="job_unsuccessful", condition=models.Q(state__in=UNSUCCESSFUL)),
            # Read backwards: of entries that come in falling order each takes half as long again to make.
            models.Index(fields=["client", "id"], name="job_of_client_id"),
            # How fast the backlog drains: read while a submission is refused.
            models.Index(fields=["finished_at"], name="job_finished", condition=models.Q(state__in=FINISHED)),
        ]
        triggers = [
            triggers.only_along_edges("job"),
            triggers.only_ready_at_first("job"),
            *triggers.state_events("job"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    def mark_in_progress(self, *, now: datetime, runner_name: str) -> None:
        """Hand the job out: READY → IN_PROGRESS as a new attempt; raise InvalidTransition otherwise."""
        self._move(State.IN_PROGRESS, now=now, attempt=self.attempt + 1, runner_name=runner_name)

    def mark_done(self, *, now: datetime, **outcome: Any) -> None:
        """End the job as succeeded: IN_PROGRESS → DONE; raise InvalidTransition otherwise."""
        self._move(State.DONE, now=now, progress=100, **outcome)

    def mark_error(self, *, now: datetime, **outcome: Any) -> None:
        """End the job as failed: IN_PROGRESS → ERROR; raise InvalidTransition otherwise."""
        self._move(State.ERROR, now=now, **outcome)

    def mark_ready(self, *, now: datetime, eligible_at: datetime, **outcome: Any) -> None:
        """Put the job back to wait for another attempt: IN_PROGRESS → READY; raise InvalidTransition otherwise."""
        self._move(State.READY, now=now, eligible_at=eligible_at, **outcome)

    def mark_cancelled(self, *, now: datetime, reason: str) -> None:
        """End the job unrun: READY → CANCELLED; raise InvalidTransition otherwise."""
        self._move(State.CANCELLED, now=now, reason=reason)

    def _move(self, target: State, *, now: datetime, **values: Any) -> None:
        moved = moves.move_jobs([{"id": self.pk, **values}], target=target, now=now)
        self.refresh_from_db()
        if not moved:
            raise InvalidTransition(subject="job", state=self.state, wanted=f"it cannot become {target}")
