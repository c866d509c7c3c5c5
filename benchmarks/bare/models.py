from __future__ import annotations

from django.db import models


class Thing(models.Model):
    """A document as it was sent."""

    document = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: models.Manager[Thing] = models.Manager()

    class Meta:
        app_label = "bare"

    def __str__(self) -> str:
        return f"thing {self.pk}"
