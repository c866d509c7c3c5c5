from __future__ import annotations

from runners.admin import jobs, runners

__all__ = ["jobs", "runners"]
