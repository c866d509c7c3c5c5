"""The thread that waits for the API, so that nobody else does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from runners.agent.api import Api, Reply
from runners.agent.outbox import Batch


class Sender:
    """Posts one batch at a time and hands the reply to `deliver`, called from its own thread."""

    def __init__(self, api: Api, *, deliver: Callable[[Batch, Reply], None]) -> None:
        self._api = api
        self._deliver = deliver
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        # A daemon: a process that has to end does not wait for a silent API.
        threading.Thread(target=self._run, name="sender", daemon=True).start()

    def post(self, batch: Batch, *, timeout_seconds: float) -> None:
        """Send the batch; call again only after its reply was delivered."""
        self._api.set_timeout(timeout_seconds)
        self._batches.put(batch)

    def close(self) -> None:
        """End the thread, once it has its answer."""
        self._batches.put(None)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._deliver(batch, self._api.post(batch.body, count=len(batch.reports)))
        self._api.close()
