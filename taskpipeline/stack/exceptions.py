from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message says what to do."""


class InterruptedStartError(StackError):
    """The start was interrupted."""
