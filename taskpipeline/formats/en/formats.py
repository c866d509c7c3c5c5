"""How times are shown to people: to the second, sortable, the same everywhere."""

from __future__ import annotations

DATETIME_FORMAT = "Y-m-d H:i:s"
