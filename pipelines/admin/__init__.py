from __future__ import annotations

from pipelines.admin import clients, jobs, pipelines

__all__ = ["clients", "jobs", "pipelines"]
