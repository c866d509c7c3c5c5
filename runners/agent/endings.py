"""How an attempt ended, said truthfully."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from runners.agent.attempt import Attempt, Stop
from runners.agent.protocol import ExecuteRequest, Outcome, Reason, finished, returned


def ending(attempt: Attempt, *, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last report of work that has ended.

    Work that got no signal from us ended by itself, whatever we were about to do: its own outcome holds. Work that we
    did signal never succeeded.
    """
    exit_code, number = event["exit_code"], event["signal"]
    if not event["signalled"]:
        return _of_itself(exit_code=exit_code, number=number)
    if attempt.stop is Stop.CANCELLED:
        outcome, reason, message = Outcome.CANCELLED, Reason.CANCELLED, "Stopped because its cancel was asked."
    elif attempt.stop is Stop.TIMEOUT:
        limit = attempt.request.timeout_seconds
        outcome, reason = Outcome.TIMED_OUT, Reason.TIMEOUT
        message = f"Stopped because it ran longer than its timeout of {limit:g} s; raise 'timeout' if it needs more."
    elif attempt.stop in (Stop.LEASE_LOST, None):  # None: the guardian did it, we were frozen; not the job's doing
        message = "Stopped because its lease could not be renewed: the API did not answer the runner in time."
        return returned(Reason.LEASE_LOST, message=message)
    else:
        return given_back("Stopped because its runner was told to stop.")
    return finished(outcome, exit_code=exit_code, signal=number, reason=reason, message=message)


def given_back(message: str = "Not begun because its runner takes no more work.") -> dict[str, Any]:
    """Return the last report of an attempt that this runner cannot do now."""
    return returned(Reason.RUNNER_STOPPING, message=message)


def not_in_time() -> dict[str, Any]:
    """Return the last report of an attempt whose lease was over before its work could be started."""
    return returned(Reason.LEASE_LOST, message="Not begun: its lease was over before it could be.")


def spawn_failure(request: ExecuteRequest, *, what: str, error: str) -> dict[str, Any]:
    """Return the last report of work that could not be started."""
    if what == "until":
        return not_in_time()
    if what == "cwd":
        cwd = request.params.get("cwd")
        message = f"Cannot enter the working directory: {error}. Make {cwd!r} on the runner, or correct 'cwd'."
    else:
        message = f"Cannot run the program: {error}. Install it on the runner, or correct 'command' or 'shell'."
    return finished(Outcome.FAILED, reason=Reason.SPAWN_FAILED, message=message)


def cancelled_before_start() -> dict[str, Any]:
    return finished(Outcome.CANCELLED, reason=Reason.CANCELLED, message="Cancelled before it was started.")


def _of_itself(*, exit_code: int | None, number: int | None) -> dict[str, Any]:
    if exit_code == 0:
        return finished(Outcome.SUCCEEDED, exit_code=0)
    if exit_code is not None:
        message = f"The command exited with code {exit_code}; its log may say why."
        return finished(Outcome.FAILED, exit_code=exit_code, reason=Reason.EXIT_CODE, message=message)
    message = f"The command was killed by signal {number} ({_name(number)}), not by this runner"
    message += "; the machine may have run out of memory." if number == signal.SIGKILL else "."
    return finished(Outcome.FAILED, signal=number, reason=Reason.SIGNAL, message=message)


def _name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return "unnamed"
