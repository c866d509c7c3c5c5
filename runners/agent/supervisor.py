"""The supervisor: one loop that owns every attempt this process holds.

Other threads only leave notes in its inbox (requests from the queue, replies from the sender, signals); all state is
touched by the loop alone, so nothing here is locked.
"""

from __future__ import annotations

import logging
import math
import os
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any

from runners.agent import leftovers
from runners.agent.account import Account
from runners.agent.api import Api, Reply
from runners.agent.command import Executor
from runners.agent.config import Config
from runners.agent.courier import Courier
from runners.agent.custody import Custody
from runners.agent.exceptions import GuardianLostError, RequestError
from runners.agent.execution import Execution
from runners.agent.guard import Guard
from runners.agent.outbox import Batch, Outbox
from runners.agent.output import Budget
from runners.agent.protocol import ExecuteRequest, Key
from runners.agent.sender import Sender
from runners.agent.workspace import Workspace

logger = logging.getLogger(__name__)

_POST_SECONDS = 10.0
_FLUSH_SECONDS = 10.0
_HURRIED_FLUSH_SECONDS = 2.0
_HURRIED_GRACE_SECONDS = 1.0
_ONLINE_SHARE = 1 / 3  # of the time after which the service holds a silent runner for offline
_SHORTEST_NAP_SECONDS = 0.02  # between two looks at every attempt


class Mode(Enum):
    TAKING = auto()
    DRAINING = auto()  # finish all, take no more
    STOPPING = auto()  # end within a grace, give back the rest


class Supervisor:
    """Runs until it was told to drain or stop and nothing is left to do."""

    def __init__(
        self,
        config: Config,
        *,
        worker: str,
        account: Account,
        guard: Guard,
        root: Path,
        executors: Mapping[str, Executor],
    ) -> None:
        self._config = config
        self._root = root
        self._inbox: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, self._read_inbox)
        self._workspace = Workspace(root, account=account)
        self._outbox = Outbox(worker=worker)
        self._budget = Budget()
        self._execution = Execution(
            guard=guard,
            workspace=self._workspace,
            executors=executors,
            account=account,
            selector=self._selector,
            budget=self._budget,
            changed=lambda attempt: self._custody.changed(attempt),
        )
        self._custody = Custody(
            execution=self._execution,
            outbox=self._outbox,
            budget=self._budget,
            stop_grace_seconds=config.stop_grace_seconds,
            heartbeat_seconds=config.heartbeat_seconds,
        )
        self._sender = Sender(
            Api(config.api_url, token=config.token, timeout_seconds=_POST_SECONDS),
            deliver=lambda batch, reply: self._leave(lambda: self._replied(batch, reply)),
        )
        self._courier = Courier(
            outbox=self._outbox,
            sender=self._sender,
            ping_seconds=config.offline_seconds * _ONLINE_SHARE,
        )
        self._mode = Mode.TAKING
        self._exit_code = 0
        self._stop_work_at = math.inf
        self._flush_seconds = _FLUSH_SECONDS
        self._flushed_at = math.inf

    @property
    def held_log_bytes(self) -> int:
        """How much log is held for the service; bounded, whatever the work prints."""
        return self._budget.held

    # From any thread.

    def submit(self, messages: Iterable[Any]) -> None:
        """Take execute requests as they came from the queue."""
        requests = []
        for message in messages:
            try:
                requests.append(ExecuteRequest.from_wire(message))
            except RequestError as error:
                logger.error("a message on the queue was dropped", extra={"error": str(error)})
        self._leave(lambda: self._custody.accept(requests, now=time.monotonic()))

    def cancel(self, keys: Iterable[Key]) -> None:
        """Stop attempts whose cancel was asked."""
        wanted = [(int(job), int(attempt)) for job, attempt in keys]
        self._leave(lambda: self._custody.cancel(wanted, now=time.monotonic()))

    def drain(self) -> None:
        """Take no more, and end when all that is held is done and told."""
        self._leave(self._drain)

    def terminate(self) -> None:
        """Take no more, let work end within the grace, then stop and return it; called again: hurry."""
        self._leave(self._terminate)

    # The loop.

    def run(self) -> int:
        """Serve; return the exit code of the process."""
        while True:
            for key, _ in self._selector.select(self._nap()):
                self._guarded(key.data)
            now = time.monotonic()
            if now >= self._custody.due_at:
                self._guarded(lambda: self._custody.look_after(now=time.monotonic()))
            self._execution.flush()
            self._courier.post(now=now, timeout_seconds=self._post_seconds())
            if self._is_done(now=now):
                self._workspace.close()
                self._selector.close()
                self._sender.close()
                return self._exit_code

    def _leave(self, note: Callable[[], None]) -> None:
        self._inbox.append(note)
        os.eventfd_write(self._wake, 1)

    def _read_inbox(self) -> None:
        os.eventfd_read(self._wake)
        while self._inbox:
            self._inbox.popleft()()

    def _nap(self) -> float | None:
        now = time.monotonic()
        due = min(self._courier.due_at(), self._stop_work_at, self._flushed_at)
        due = min(due, max(self._custody.due_at, now + _SHORTEST_NAP_SECONDS if self._custody.due_at > now else 0.0))
        return None if due == math.inf else max(due - now, 0.0)

    def _post_seconds(self) -> float:
        """A silent API must be noticed early enough to try again within a lease."""
        return min(_POST_SECONDS, max(self._custody.shortest_lease_seconds / 4, 1.0))

    def _replied(self, batch: Batch, reply: Reply) -> None:
        now = time.monotonic()
        taken = True
        for report, result in self._courier.settle(batch, reply, now=now):
            taken &= self._custody.answered(report, result, sent_at=reply.sent_at, now=now)
        if not taken:
            self._courier.hold_back(now=now)
        if reply.drain:
            # The net under the message that asked for it.
            self._drain()

    # The end.

    def _drain(self) -> None:
        if self._mode is Mode.TAKING:
            self._mode = Mode.DRAINING
            self._custody.takes = False

    def _terminate(self) -> None:
        now = time.monotonic()
        if self._mode is not Mode.STOPPING:
            self._mode = Mode.STOPPING
            self._stop_work_at = now + self._config.grace_seconds
            self._custody.give_back_offered()
        else:
            self._stop_work_at = now
            self._flush_seconds = _HURRIED_FLUSH_SECONDS
            self._flushed_at = min(self._flushed_at, now + self._flush_seconds)
            self._custody.stop_all(now=now, grace_seconds=_HURRIED_GRACE_SECONDS)

    def _is_done(self, *, now: float) -> bool:
        if self._mode is Mode.TAKING:
            return False
        if now >= self._stop_work_at:
            self._stop_work_at = math.inf
            self._guarded(lambda: self._custody.stop_all(now=now))
        if not self._custody:
            return True
        if self._mode is Mode.DRAINING or self._execution:
            return False
        self._flushed_at = min(self._flushed_at, now + self._flush_seconds)
        if now < self._flushed_at:
            return False
        logger.error("stopped with reports that the API did not take", extra={"attempts": len(self._custody)})
        return True

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do something that may talk to the guardian; without one nothing may go on working."""
        try:
            action()
        except GuardianLostError:
            logger.critical("the guardian is gone: all work is killed and given back")
            leftovers.clear(self._root)
            self._exit_code = 1
            self._execution.abandon()
            self._terminate()
