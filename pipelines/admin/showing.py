"""How states, shares and values look in the admin; the colours are in static/taskpipeline/admin.css."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from pipelines.states import State


def badge(state: str) -> SafeString:
    """Return a state, or the outcome of an attempt, as a coloured badge."""
    label = State(state).label if state in State.values else state.replace("_", " ")
    return format_html('<span class="badge badge-{}">{}</span>', state.lower(), label)


def share(percent: int) -> SafeString:
    """Return the percentage as a bar with its number."""
    return format_html(
        '<span class="share"><progress max="100" value="{}"></progress> {}&nbsp;%</span>', percent, percent
    )


def pretty(value: Any) -> SafeString:
    """Return a JSON value over several lines."""
    return format_html('<pre class="json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def duration(started_at: datetime | None, finished_at: datetime | None) -> str:
    """Return how long it took, or nothing if it has not ended (or never began)."""
    if started_at is None or finished_at is None:
        return ""
    seconds = max((finished_at - started_at).total_seconds(), 0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
