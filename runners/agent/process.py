"""The whole process: lock, leftovers, guardian, supervisor, queue, signals."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import resource
import secrets
import signal
import socket
import threading
import time
from pathlib import Path

from runners.agent import account, leftovers
from runners.agent.config import Config
from runners.agent.consumer import QueueConsumer, make_app
from runners.agent.exceptions import ConfigurationError
from runners.agent.guard import Guard
from runners.agent.kinds import EXECUTORS
from runners.agent.supervisor import Supervisor
from runners.agent.workspace import choose_root

logger = logging.getLogger(__name__)

_LOCK_SECONDS = 15.0
_LOCK_RETRY_SECONDS = 0.05
_PR_SET_DUMPABLE = 4


def serve(config: Config) -> int:
    """Be the runner until told to stop; return the exit code. Raises AgentError where it cannot begin."""
    user = account.named(config.user) if config.user else account.current()
    runner_lock, work_lock = hold_locks(config.state_dir)
    root = choose_root(config.state_dir, account=user)
    leftovers.clear(root)
    guard = Guard.start(account=user, keep=[work_lock])
    hide_memory()
    raise_file_limit()
    supervisor = Supervisor(
        config,
        worker=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        account=user,
        guard=guard,
        root=root,
        executors=EXECUTORS,
    )
    consumer = QueueConsumer(make_app(config, supervisor=supervisor))
    codes: list[int] = []

    def supervise() -> None:
        try:
            codes.append(supervisor.run())
        except Exception:
            # Nothing watches over the work any more: with this process it ends, by the guardian.
            logger.critical("the supervisor failed", exc_info=True)
            os._exit(1)
        consumer.stop()

    def on_signal(*_: object) -> None:
        supervisor.terminate()
        consumer.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    thread = threading.Thread(target=supervise, name="supervisor")
    thread.start()
    logger.info("runner started", extra={"runner": config.name, "api": config.api_url})
    consumer.run()
    thread.join()
    guard.close()
    os.close(runner_lock)
    logger.info("runner stopped", extra={"runner": config.name})
    return codes[0]


def hold_locks(state_dir: Path) -> tuple[int, int]:
    """Return the lock that says a runner lives, and the one that says its work may.

    A killed predecessor has let go of the first; its guardian keeps the second until all its work is dead. Raises
    ConfigurationError if another process is at work.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        runner_lock, work_lock = (
            os.open(state_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in ("lock", "work.lock")
        )
    except OSError as error:
        raise ConfigurationError(
            f"Cannot use {state_dir}: {error.strerror}. Set VAR_DIR to a place to write."
        ) from error
    if not _try_lock(runner_lock):
        raise ConfigurationError(f"Another run_runner of this name is at work in {state_dir}; stop it first.")
    give_up_at = time.monotonic() + _LOCK_SECONDS
    while not _try_lock(work_lock):
        if time.monotonic() >= give_up_at:
            raise ConfigurationError(f"Work that a killed run_runner left in {state_dir} does not end.")
        time.sleep(_LOCK_RETRY_SECONDS)
    return runner_lock, work_lock


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hide_memory() -> None:
    """Keep work of our own user from reading our memory and environment: the token is in there."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_file_limit() -> None:
    """Allow a pipe for each of many jobs; after the guardian's start, so that the work keeps the usual limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
