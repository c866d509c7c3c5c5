from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models


class SweepManager(models.Manager["Sweep"]):
    def record(self, name: str, *, now: datetime, resolution: timedelta = timedelta(0)) -> None:
        """Note that the round succeeded, unless that was noted within the resolution: busy rounds need not write."""
        if not self.filter(pk=name, succeeded_at__gt=now - resolution).exists():
            self.update_or_create(pk=name, defaults={"succeeded_at": now})

    def record_limit(self, name: str, *, limit: int, now: datetime) -> None:
        """Note the limit the round goes by, and since when."""
        if not self.filter(pk=name, limit=limit).exists():
            defaults = {"limit": limit, "limit_changed_at": now, "succeeded_at": now}
            self.update_or_create(pk=name, defaults=defaults)

    def last_success(self, name: str) -> datetime | None:
        """Return when the round last succeeded, or None if it never did."""
        return self.filter(pk=name).values_list("succeeded_at", flat=True).first()


class Sweep(models.Model):
    """When a recurring round last succeeded, which readiness and the lease rounds go by, and with which limit."""

    name = models.CharField(max_length=32, primary_key=True)
    succeeded_at = models.DateTimeField()
    limit = models.PositiveIntegerField(null=True, help_text="The pool's limit, as the last round knew it.")
    limit_changed_at = models.DateTimeField(null=True)

    objects = SweepManager()

    def __str__(self) -> str:
        return self.name
