"""The control worker as the stack runs it: `python -m taskpipeline.celery.worker`.

`celery -A taskpipeline worker` does the same and takes any option. Its command line alone costs a process 9 MiB.
"""

from __future__ import annotations

import sys

from taskpipeline.celery import app
from taskpipeline.garbage import tell_collector

THREADS = 4


def main() -> int:
    worker = app.Worker(
        hostname="control@%h",
        queues=["control"],
        pool_cls="threads",
        concurrency=THREADS,
        # Control workers need not know of each other, and nobody listens to what they would tell.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    tell_collector()
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
