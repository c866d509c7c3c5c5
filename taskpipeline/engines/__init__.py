"""Embedded PostgreSQL and Redis: the engines of production, their state under VAR_DIR.

This package is read by the settings, so importing it stays cheap and needs no Django: it only tells what is
running. `taskpipeline.engines.embedded.start` starts the engines.
"""

from __future__ import annotations

from taskpipeline.engines.records import Urls, running

__all__ = ["Urls", "running"]
