from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, models


class SweepManager(models.Manager["Sweep"]):
    def record(
        self, name: str, *, now: datetime, limit: int | None = None, resolution: timedelta = timedelta(0)
    ) -> None:
        """Note that the round succeeded, and the limit it went by.

        Not if it was noted within the resolution, by the same limit: busy rounds need not write.
        """
        # Raw SQL: one statement, which the ORM's update_or_create is not.
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO runners_sweep AS sweep (name, succeeded_at, "limit", limit_changed_at)
                VALUES (%(name)s, %(now)s, %(limit)s, %(now)s)
                ON CONFLICT (name) DO UPDATE SET
                    succeeded_at = excluded.succeeded_at,
                    "limit" = excluded."limit",
                    limit_changed_at = CASE WHEN sweep."limit" IS DISTINCT FROM excluded."limit"
                        THEN excluded.limit_changed_at ELSE sweep.limit_changed_at END
                WHERE sweep.succeeded_at <= %(before)s
                    OR sweep."limit" IS DISTINCT FROM excluded."limit"
                """,
                {"name": name, "now": now, "limit": limit, "before": now - resolution},
            )

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
