"""The Celery worker on the runner's own queue; its tasks hand over to the supervisor and return."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from celery import Celery
from celery.worker import WorkController
from celery.worker import state as celery_state
from kombu import Exchange, Queue

from runners.agent.config import Config
from runners.agent.protocol import DRAIN, EXECUTE, STOP
from runners.agent.supervisor import Supervisor

# Celery stops its worker at the next turn of its loop once this module says so (its types know no number there).
_STATE: Final[Any] = celery_state

logger = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0
_PREFETCH = 16  # messages are handed over as they come, which takes no time


def make_app(config: Config, *, supervisor: Supervisor) -> Celery:
    """Return the Celery app of this process: three tasks, no result backend, no Django."""
    app = Celery("runner", broker=config.celery_broker_url, fixups=[], set_as_current=False)
    app.conf.update(
        # Not declared, not acknowledged to the broker, without steps of priority: its queue's one list is all that a
        # runner touches there, which is all that its broker user may (runners.broker). A message that is lost with
        # this process is sent again.
        task_queues=[Queue(config.queue, Exchange(config.queue), routing_key=config.queue, no_declare=True)],
        task_default_queue=config.queue,
        accept_content=["json"],
        task_ignore_result=True,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=_PREFETCH,
        # Of tasks acknowledged late, which ours are not: the coming default, chosen now.
        worker_cancel_long_running_tasks_on_connection_loss=True,
        # A broker that is away is waited for, however long; nothing that matters is lost with it.
        broker_connection_retry_on_startup=True,
        broker_connection_retry=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport_options={
            "socket_keepalive": True,
            "socket_connect_timeout": 3,
            "socket_timeout": 30,
            "health_check_interval": 10,
            "ack_emulation": False,
            "priority_steps": [0],
        },
    )

    @app.task(name=EXECUTE)
    def execute(requests: list[dict[str, Any]]) -> None:
        supervisor.submit(requests)

    @app.task(name=STOP)
    def stop(keys: list[tuple[int, int]]) -> None:
        supervisor.cancel(keys)

    @app.task(name=DRAIN)
    def drain() -> None:
        supervisor.drain()
        _STATE.should_stop = 0

    return app


class QueueConsumer:
    """Consumes in the calling thread until it is told to stop."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._stopped = threading.Event()
        _STATE.should_stop = None

    def run(self) -> None:
        """Consume; a worker that gives up is followed by a new one, so that this process is never deaf."""
        while True:
            worker = WorkController(
                app=self._app,
                pool="solo",
                concurrency=1,
                optimization="fair",
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
            worker.start()
            if _STATE.should_stop is not None or self._stopped.wait(_RESTART_SECONDS):
                return
            logger.error("the queue's consumer gave up and is started again")

    def stop(self) -> None:
        """Take no more from the queue; safe in a signal handler and from any thread."""
        self._stopped.set()
        _STATE.should_stop = 0
