from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from pipelines.models.pipeline import Pipeline


class Submission(models.Model):
    """A validated document that waits for its division; gone once its jobs exist."""

    pipeline = models.OneToOneField(Pipeline, on_delete=models.CASCADE, primary_key=True, related_name="submission")
    document = models.TextField(help_text="JSON: its stages and jobs, as the divider takes them.")

    def __str__(self) -> str:
        return f"submission of pipeline {self.pk}"


KEY_LIFETIME = timedelta(hours=24)


class IdempotencyKey(models.Model):
    """What a submission with an Idempotency-Key was answered, kept for KEY_LIFETIME.

    Scope: a client, or a user who submits for a client.
    """

    client = models.ForeignKey("clients.Client", on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey("auth.User", null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over query, media type and body.")
    status = models.PositiveSmallIntegerField()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "user", "key"], name="idempotency_key_unique", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.key
