"""The attempts in our hands: taken, begun, watched over, stopped and let go."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from runners.agent.attempt import Attempt, Delivery, Phase, Report, Stop
from runners.agent.endings import cancelled_before_start, given_back, not_in_time
from runners.agent.execution import Execution
from runners.agent.outbox import Outbox
from runners.agent.output import Budget
from runners.agent.protocol import Event, ExecuteRequest, Key

logger = logging.getLogger(__name__)

_REMEMBERED = 10_000
_LOOK_AGAIN_SECONDS = 0.5
_GRACE_MARGIN_SECONDS = 2.0
_GRACE_MARGIN_SHARE = 0.2


class Custody:
    """Decides what happens to each attempt; `due_at` says when `look_after` is to be called next."""

    def __init__(
        self,
        *,
        execution: Execution,
        outbox: Outbox,
        budget: Budget,
        stop_grace_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._execution = execution
        self._outbox = outbox
        self._budget = budget
        # The service allows the whole grace: the KILL and the report of it have to fit in.
        self._grace_seconds = stop_grace_seconds - min(_GRACE_MARGIN_SECONDS, stop_grace_seconds * _GRACE_MARGIN_SHARE)
        self._heartbeat_seconds = heartbeat_seconds
        self._held: dict[Key, Attempt] = {}
        self._remembered: OrderedDict[Key, None] = OrderedDict()
        self.due_at = math.inf
        self.shortest_lease_seconds = math.inf
        self.takes = True  # false: what comes is given back
        self.begins = True  # false: what has not begun is given back

    def __len__(self) -> int:
        return len(self._held)

    def accept(self, requests: Iterable[ExecuteRequest], *, now: float) -> None:
        """Take requests; one that is held, or was lately, is dropped: the service repeats itself to be sure."""
        for request in requests:
            if request.key in self._held or request.key in self._remembered:
                continue
            attempt = Attempt(request, now=now, budget=self._budget)
            self._held[request.key] = attempt
            self.shortest_lease_seconds = min(self.shortest_lease_seconds, request.lease_seconds)
            if self.takes:
                self._wake_at(attempt.lease.ends_at)
            else:
                attempt.end_with(given_back())
            self._outbox.mark(attempt)

    def cancel(self, keys: Iterable[Key], *, now: float) -> None:
        """Stop attempts whose cancel was asked; those that are not here are over or were never."""
        for key in keys:
            if (attempt := self._held.get(key)) is not None:
                self._cancel(attempt, now=now)

    def give_back_offered(self) -> None:
        """Return what has not begun; where `started` is on its way, its answer decides."""
        self.takes = self.begins = False
        for attempt in self._held.values():
            if attempt.phase is Phase.OFFERED and attempt.started is Delivery.WANTED:
                attempt.end_with(given_back())
                self._outbox.mark(attempt)

    def stop_all(self, *, now: float, grace_seconds: float | None = None) -> None:
        """End all work and give it back; called again, with less grace."""
        for attempt in self._held.values():
            if attempt.phase is Phase.RUNNING:
                self._stop(attempt, why=Stop.RUNNER_STOPPING, now=now, grace_seconds=grace_seconds)

    def changed(self, attempt: Attempt) -> None:
        """The execution has news of the attempt."""
        if attempt.phase is Phase.ENDED:
            if attempt.stop is Stop.OVER:
                self._forget(attempt)
            else:
                self._outbox.mark(attempt)
            return
        if attempt.timeout_at is not None:
            self._wake_at(attempt.timeout_at)
        if (due := attempt.log_due_at()) is not None:
            if due <= time.monotonic():
                self._outbox.mark(attempt)
            else:
                self._wake_at(due)

    def look_after(self, *, now: float) -> None:
        """Do what time demands of every attempt held."""
        self.due_at = math.inf
        beating = any(self._heartbeat_at(attempt) <= now for attempt in self._held.values())
        for attempt in list(self._held.values()):
            if attempt.phase is Phase.OFFERED:
                self._look_after_offer(attempt, now=now)
            elif attempt.phase is Phase.RUNNING:
                self._look_after_work(attempt, now=now, beating=beating)

    def answered(self, report: Report, result: Mapping[str, Any], *, sent_at: float, now: float) -> bool:
        """Act on the service's answer to one report; return False if it could not take it just now."""
        attempt = report.attempt
        if self._held.get(attempt.key) is not attempt:
            return True
        status = result.get("status")
        if not isinstance(status, int) or status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
            attempt.unsend()
            self._outbox.mark(attempt)
            return False
        if 200 <= status < 300:
            self._accepted(report, result, sent_at=sent_at, now=now)
        elif status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
            self._give_up(attempt)
        elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and report.event is Event.LOG:
            size = result.get("size")
            if not attempt.output.rewind(size if isinstance(size, int) else -1):
                logger.error("the service lost a part of a log that is not held any more", extra=_names(attempt))
            self._outbox.mark(attempt)
        else:
            self._refused(report, status=status)
        if attempt.is_delivered:
            self._forget(attempt)
        return True

    def _accepted(self, report: Report, result: Mapping[str, Any], *, sent_at: float, now: float) -> None:
        attempt = report.attempt
        lease_seconds = result.get("lease_seconds")
        if isinstance(lease_seconds, (int, float)):
            attempt.lease.renew(lease_seconds, sent_at=sent_at)
            if attempt.kill_at is not None:
                attempt.kill_at = min(attempt.kill_at, attempt.lease.kill_at)
            if attempt.phase is Phase.RUNNING:
                self._execution.hold(attempt)
        cancel = bool(result.get("cancel"))
        if report.event is Event.STARTED:
            attempt.started = Delivery.ACCEPTED
            if attempt.phase is Phase.OFFERED and not cancel:
                self._begin(attempt)
        elif report.event is Event.LOG:
            attempt.output.acknowledge(report.end)
            self._execution.resume(attempt)
            self.changed(attempt)
        elif report.event in (Event.FINISHED, Event.RETURNED):
            attempt.final = Delivery.ACCEPTED
        if cancel:
            self._cancel(attempt, now=now)
        if attempt.phase is Phase.RUNNING:
            self._wake_at(min(self._stop_at(attempt), self._heartbeat_at(attempt)))

    def _begin(self, attempt: Attempt) -> None:
        # By the clock as it is now: we may have been frozen since the answer was sent.
        if self.begins and time.monotonic() < attempt.lease.kill_at:
            self._execution.begin(attempt)
        else:
            attempt.end_with(not_in_time() if self.begins else given_back())
            self._outbox.mark(attempt)

    def _refused(self, report: Report, *, status: int) -> None:
        """The service will never take this report: go on without it."""
        attempt = report.attempt
        logger.error("the service refuses a report", extra=_names(attempt) | {"event": report.event, "status": status})
        if report.event is Event.LOG:
            attempt.output.discard()
            self._outbox.mark(attempt)
        elif report.event is not Event.ALIVE:
            self._give_up(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        """The attempt is not ours any more: nothing of it may go on."""
        if attempt.phase is Phase.RUNNING:
            attempt.stop = Stop.OVER
            attempt.output.discard()
            self._outbox.forget(attempt)
            self._execution.kill(attempt)
        else:
            self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        attempt.output.discard()
        self._outbox.forget(attempt)
        del self._held[attempt.key]
        self._remembered[attempt.key] = None
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _cancel(self, attempt: Attempt, *, now: float) -> None:
        if attempt.phase is Phase.OFFERED:
            attempt.end_with(cancelled_before_start())
            self._outbox.mark(attempt)
        elif attempt.phase is Phase.RUNNING:
            self._stop(attempt, why=Stop.CANCELLED, now=now)

    def _stop(self, attempt: Attempt, *, why: Stop, now: float, grace_seconds: float | None = None) -> None:
        grace = self._grace_seconds if grace_seconds is None else min(grace_seconds, self._grace_seconds)
        kill_at = min(now + grace, attempt.lease.kill_at)
        if attempt.stop is None:
            self._execution.stop(attempt, why=why, kill_at=kill_at)
        elif attempt.kill_at is not None:
            attempt.kill_at = min(attempt.kill_at, kill_at)
            if why is Stop.CANCELLED and attempt.stop in (Stop.LEASE_LOST, Stop.RUNNER_STOPPING):
                attempt.stop = why  # it is not to be given back, it is not wanted any more
        self._wake_at(kill_at)

    def _look_after_offer(self, attempt: Attempt, *, now: float) -> None:
        if now < attempt.lease.ends_at:
            self._wake_at(attempt.lease.ends_at)
        elif attempt.started is Delivery.SENT:  # the answer may still bring a lease
            self._wake_at(now + _LOOK_AGAIN_SECONDS)
        else:
            logger.warning("an attempt was dropped: the API did not answer within its lease", extra=_names(attempt))
            self._forget(attempt)

    def _look_after_work(self, attempt: Attempt, *, now: float, beating: bool) -> None:
        if attempt.stop is None:
            if attempt.timeout_at is not None and attempt.timeout_at <= now:
                self._stop(attempt, why=Stop.TIMEOUT, now=now)
            elif self._stop_at(attempt) <= now:
                logger.warning("work is stopped: its lease could not be renewed", extra=_names(attempt))
                self._stop(attempt, why=Stop.LEASE_LOST, now=now)
            else:
                self._wake_at(min(self._stop_at(attempt), attempt.timeout_at or math.inf))
        if attempt.kill_at is not None and not attempt.was_killed:
            if attempt.kill_at <= now:
                self._execution.kill(attempt)
            else:
                self._wake_at(attempt.kill_at)
        if (due := attempt.log_due_at()) is not None:
            if due <= now:
                self._outbox.mark(attempt)
            else:
                self._wake_at(due)
        # One heartbeat takes along those that will be due soon: they travel together from then on.
        if beating and now - attempt.reported_at >= self._interval(attempt) / 2 and attempt.stop is not Stop.OVER:
            attempt.alive = Delivery.WANTED
            self._outbox.mark(attempt)
        self._wake_at(max(self._heartbeat_at(attempt), now + self._interval(attempt) / 2))

    def _interval(self, attempt: Attempt) -> float:
        return attempt.lease.heartbeat(wanted_seconds=self._heartbeat_seconds)

    def _heartbeat_at(self, attempt: Attempt) -> float:
        return attempt.reported_at + self._interval(attempt) if attempt.phase is Phase.RUNNING else math.inf

    def _stop_at(self, attempt: Attempt) -> float:
        return attempt.lease.stop_at(grace_seconds=self._grace_seconds)

    def _wake_at(self, when: float) -> None:
        self.due_at = min(self.due_at, when)


def _names(attempt: Attempt) -> dict[str, Any]:
    return {"job": attempt.request.job, "attempt": attempt.request.attempt}
