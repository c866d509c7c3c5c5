from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message says what to do."""


class StoppedError(StackError):
    """Somebody asked us to stop before we were done."""

    def __init__(self) -> None:
        super().__init__("Interrupted.")
