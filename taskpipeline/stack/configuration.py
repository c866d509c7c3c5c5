from __future__ import annotations

import os
from dataclasses import replace

from django.conf import settings

from taskpipeline import environment
from taskpipeline.stack.address import Address
from taskpipeline.stack.supervisor import Layout


def layout_from_settings() -> Layout:
    """Return the stack that the settings ask for; what is wrong with RUNNER_CAPACITY is said here, not by a child."""
    environment.optional_integer("RUNNER_CAPACITY")
    return Layout(
        base_dir=settings.BASE_DIR,
        var_dir=settings.VAR_DIR,
        address=Address(settings.HOST, settings.PORT),
        stop_grace_seconds=settings.STOP_GRACE_SECONDS,
    )


def layout_on_any_port() -> Layout:
    """Return the same, on a free port if PORT names none and the usual one is taken."""
    layout = layout_from_settings()
    if "PORT" in os.environ:
        return layout
    return replace(layout, address=layout.address.on_a_free_port())
