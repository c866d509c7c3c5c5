"""Log lines of the agent: a constant message and structured fields, as the service writes them."""

from __future__ import annotations

import datetime
import logging
import sys
from typing import Any

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_QUIET = ("celery.app.trace", "celery.worker.strategy", "celery.bootsteps", "kombu")


class Formatter(logging.Formatter):
    """One line an event: JSON in production, else for reading."""

    def __init__(self, *, json: bool) -> None:
        super().__init__()
        self._json = json

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.datetime.fromtimestamp(record.created, tz=datetime.UTC).isoformat(),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if self._json:
            return orjson.dumps(fields, default=str).decode()
        extra = " ".join(f"{name}={value}" for name, value in list(fields.items())[4:])
        return f"{fields['timestamp']} [{fields['level']}] {fields['event']} {extra}".rstrip()


def configure(*, json: bool) -> None:
    """Send all log records of the process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(json=json))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
