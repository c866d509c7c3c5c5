"""How many jobs of a client run and wait, in one query."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, Q

from clients.usage import Use
from pipelines.models import Job
from pipelines.states import UNFINISHED, State


def use_of(clients: Collection[int]) -> dict[int, Use]:
    """Return the use of each of the clients that has unfinished jobs."""
    rows = Job.objects.filter(client__in=clients, state__in=UNFINISHED).order_by().values("client_id")
    counted = rows.annotate(
        in_progress=Count("pk", filter=Q(state=State.IN_PROGRESS)), ready=Count("pk", filter=Q(state=State.READY))
    )
    return {row["client_id"]: Use(in_progress=row["in_progress"], ready=row["ready"]) for row in counted}
