"""`python -m tests.chaos.skewed_runner NAME SECONDS STATE_DIR`: a server runner whose clock is off by so many seconds.

RUNNER_TOKEN, API_URL and BROKER_URL as for run_runner. The clock that is off is the wall clock, as a wrong date is:
nothing may depend on it. Everything that asks for the time afterwards, Celery included, is told the wrong one.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from pathlib import Path
from typing import Self


def skew(seconds: float) -> None:
    """Put the wall clock of this process off by so many seconds."""
    real_time = time.time

    class SkewedDatetime(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(real_time() + seconds, tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    time.time = lambda: real_time() + seconds
    datetime.datetime = SkewedDatetime  # type: ignore[misc]


def main() -> int:
    name, seconds, state_dir = sys.argv[1:]
    skew(float(seconds))
    # After the clock was changed: what is imported now keeps the changed one.
    from runners.agent.config import Config  # noqa: PLC0415
    from runners.agent.process import serve  # noqa: PLC0415

    config = Config(
        name=name,
        token=os.environ.pop("RUNNER_TOKEN"),
        api_url=os.environ["API_URL"],
        broker_url=os.environ["BROKER_URL"],
        state_dir=Path(state_dir),
        grace_seconds=float(os.environ["STOP_GRACE_SECONDS"]),
        stop_grace_seconds=float(os.environ["STOP_GRACE_SECONDS"]),
        heartbeat_seconds=float(os.environ["HEARTBEAT_SECONDS"]),
        offline_seconds=float(os.environ["RUNNER_OFFLINE_SECONDS"]),
    )
    return serve(config)


if __name__ == "__main__":
    sys.exit(main())
