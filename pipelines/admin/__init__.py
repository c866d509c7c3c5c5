from __future__ import annotations

from pipelines.admin import clients

__all__ = ["clients"]
