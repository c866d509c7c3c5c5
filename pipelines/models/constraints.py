"""CHECK constraints that pipelines, stages and jobs share: the database keeps them whoever writes."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q

from pipelines.states import FINISHED, State

PRIORITY_MAX = 32767
PRIORITY_HELP = "0 to 32767; the smaller number runs first."


def known_state(table: str) -> CheckConstraint:
    return CheckConstraint(name=f"{table}_state_known", condition=Q(state__in=State.values))


def finished_at_iff_ended(table: str) -> CheckConstraint:
    return CheckConstraint(
        name=f"{table}_finished_at_iff_ended",
        condition=Q(state__in=FINISHED, finished_at__isnull=False)
        | (~Q(state__in=FINISHED) & Q(finished_at__isnull=True)),
    )


def priority_in_range(table: str) -> CheckConstraint:
    return CheckConstraint(name=f"{table}_priority_range", condition=Q(priority__gte=0, priority__lte=PRIORITY_MAX))
