"""Gunicorn's hooks: the workers share what was read before they were forked."""

from __future__ import annotations

from taskpipeline.garbage import tell_collector


def pre_fork(server: object, worker: object) -> None:
    tell_collector()
