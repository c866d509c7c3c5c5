"""The states of a job, its edges and the sets that have a name; nothing else spells a state.

Pipelines and stages show the same words; theirs follow from their jobs (see settling).
"""

from __future__ import annotations

from django.db.models import TextChoices


class State(TextChoices):
    READY = "READY", "READY"
    IN_PROGRESS = "IN_PROGRESS", "IN PROGRESS"
    DONE = "DONE", "DONE"
    CANCELLED = "CANCELLED", "CANCELLED"
    ERROR = "ERROR", "ERROR"


# The design's edges between two states; a job is created READY. docs/state-machine.md letters them.
EDGES: frozenset[tuple[State, State]] = frozenset(
    {
        (State.READY, State.IN_PROGRESS),
        (State.READY, State.CANCELLED),
        (State.IN_PROGRESS, State.DONE),
        (State.IN_PROGRESS, State.READY),
        (State.IN_PROGRESS, State.ERROR),
    }
)

UNFINISHED = (State.READY, State.IN_PROGRESS)
FINISHED = (State.DONE, State.CANCELLED, State.ERROR)
# Ended otherwise than asked: what stops a pipeline unless the failure is allowed.
UNSUCCESSFUL = (State.CANCELLED, State.ERROR)
