from __future__ import annotations


class EngineError(Exception):
    """An embedded engine cannot do its work; the message says what to do."""
