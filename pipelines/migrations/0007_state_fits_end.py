from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

_FITS = models.Q(finished_at__isnull=True, state__in=("READY", "IN_PROGRESS")) | models.Q(
    finished_at__isnull=False, state__in=("DONE", "CANCELLED", "ERROR")
)


def _constraint(table: str) -> Any:
    return AddConstraintNotValid(
        model_name=table, constraint=models.CheckConstraint(condition=_FITS, name=f"{table}_state_fits_end")
    )


class Migration(migrations.Migration):
    """Say in one constraint what two said, each of which is read anew in every statement that writes the table."""

    dependencies = [("pipelines", "0006_rising")]

    operations = [_constraint(table) for table in ("job", "pipeline", "stage")]
