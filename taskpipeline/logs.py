from __future__ import annotations

from typing import Any


def logging_config(*, json: bool) -> dict[str, Any]:
    """Return LOGGING: one line an event, a constant message and structured fields; JSON in production."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        # The agent's, which is a process without Django: all lines of the service look alike.
        "formatters": {"structured": {"()": "runners.agent.logs.Formatter", "json": json}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
        },
    }
