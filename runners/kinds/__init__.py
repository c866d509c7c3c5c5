"""The kinds this service brings, one file each; importing them registers them."""

from __future__ import annotations

from runners.kinds import shell

__all__ = ["shell"]
