"""What this app adds to the clients' admin: their use beside their limits, and a top-up when a limit changes."""

from __future__ import annotations

from typing import Any

from clients import usage
from clients.signals import limits_changed
from pipelines.nudges import nudge
from pipelines.usage import use_of


def wake_the_pool(**_: Any) -> None:
    """Have what a changed limit or priority allows claimed now, not at the next round."""
    nudge()


usage.count_with(use_of)
limits_changed.connect(wake_the_pool)
