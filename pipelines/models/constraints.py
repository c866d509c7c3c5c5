"""CHECK constraints that pipelines, stages and jobs share: the database keeps them whoever writes."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q

from pipelines.states import FINISHED, UNFINISHED

PRIORITY_MAX = 32767
PRIORITY_HELP = "0 to 32767; the smaller number runs first."


def state_fits_end(table: str) -> CheckConstraint:
    """Return the constraint that the state is a known one, and the row has an end if, and only if, it has ended.

    One for both: PostgreSQL reads the text of every constraint anew in every statement that writes the table.
    """
    return CheckConstraint(
        name=f"{table}_state_fits_end",
        condition=Q(finished_at__isnull=True, state__in=UNFINISHED) | Q(finished_at__isnull=False, state__in=FINISHED),
    )


def priority_in_range(table: str) -> CheckConstraint:
    return CheckConstraint(name=f"{table}_priority_range", condition=Q(priority__gte=0, priority__lte=PRIORITY_MAX))
