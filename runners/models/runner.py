from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from pipelines import kinds
from runners.querysets import RunnerQuerySet


class RunnerType(models.TextChoices):
    SERVER = "server", "server"
    KUBERNETES = "kubernetes", "kubernetes"
    HTTP = "http", "http"


class Runner(models.Model):
    """Where jobs are executed: a server, a Kubernetes API or an HTTP service."""

    name = models.CharField(
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z", "Letters, digits, dots, dashes and underscores.")
        ],
    )
    type = models.CharField(max_length=10, choices=RunnerType.choices, default=RunnerType.SERVER)
    capacity = models.PositiveIntegerField(default=16, help_text="Jobs it takes at once; 0: none.")
    kinds = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="The kinds it takes, separated by commas; empty: every kind its type executes.",
    )
    clients = models.ManyToManyField(
        "clients.Client",
        blank=True,
        related_name="runners",
        help_text="Clients that name it. A client that names runners uses only those; one that names none uses all.",
    )
    token_digest = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    pause_note = models.CharField(max_length=255, blank=True)
    draining_since = models.DateTimeField(null=True, blank=True, editable=False)
    seen_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it last reported; it need not have had anything to say."
    )
    capacity_changed_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RunnerQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = [models.CheckConstraint(name="runner_type_known", condition=models.Q(type__in=RunnerType.values))]
        triggers = [
            # Whoever changes it: use above a limit is a fault only if something was claimed since the limit changed.
            pgtrigger.Trigger(
                name="capacity_changed",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("capacity"),
                condition=pgtrigger.Q(old__capacity__df=pgtrigger.F("new__capacity")),
                func="NEW.capacity_changed_at = clock_timestamp(); RETURN NEW;",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """Return the Celery queue of a server runner."""
        return f"runner.{self.name}"

    @property
    def accepted_kinds(self) -> list[str]:
        """Return the names of the kinds it takes."""
        return self.kinds or sorted({kind.name for kind in kinds.kinds() if kind.runner_type == self.type})
