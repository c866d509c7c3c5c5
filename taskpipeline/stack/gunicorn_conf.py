"""Gunicorn's hooks: the workers share what was read before they were forked."""

from __future__ import annotations

import gc


def pre_fork(server: object, worker: object) -> None:
    """Have the garbage collector leave alone what is there: looking at a page would make a copy of it."""
    gc.collect()
    gc.freeze()
