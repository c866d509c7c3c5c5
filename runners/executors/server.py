from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from pipelines.nudges import send
from runners.executors.base import ExecuteRequest, Executor

EXECUTE = "runners.execute"
STOP = "runners.stop"
DRAIN = "runners.drain"
# One message carries many requests: a message costs more than a job. Bounded, so that no message grows without end.
MESSAGE_REQUESTS = 100
MESSAGE_BYTES = 1 << 20


class ServerExecutor(Executor):
    """Sends Celery messages to the queue of a server runner, which `run_runner` consumes."""

    def execute(self, runner: str, requests: Sequence[ExecuteRequest]) -> None:
        for batch in _batches(requests):
            # What Celery shows of a task's arguments, in its message and in logs, must not show params.
            send(EXECUTE, args=(batch,), queue=_queue(runner), shown=f"<{len(batch)} execute requests>")

    def stop(self, runner: str, attempts: Sequence[tuple[int, int]]) -> None:
        send(STOP, args=([list(attempt) for attempt in attempts],), queue=_queue(runner))

    def drain(self, runner: str) -> None:
        send(DRAIN, queue=_queue(runner))


def _queue(runner: str) -> str:
    return f"runner.{runner}"


def _batches(requests: Sequence[ExecuteRequest]) -> Iterator[list[ExecuteRequest]]:
    batch: list[ExecuteRequest] = []
    size = 0
    for request in requests:
        length = len(json.dumps([request["params"], request.get("mask")]))
        if batch and (len(batch) == MESSAGE_REQUESTS or size + length > MESSAGE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += length
    if batch:
        yield batch
