"""Reports: what runners say of their attempts, applied set by set."""

from __future__ import annotations

from runners.reports.applying import apply
from runners.reports.items import MAX_BYTES, MAX_ITEMS, Item, Reply, read_item

__all__ = ["MAX_BYTES", "MAX_ITEMS", "Item", "Reply", "apply", "read_item"]
