"""The service and its model side by side: what each step stands on, and how the two are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from unittest import mock

from django.conf import settings
from django.db import transaction
from django.test import override_settings
from hypothesis.stateful import RuleBasedStateMachine, invariant

from clients.models import Client
from pipelines import clock, division
from pipelines.exceptions import PipelineError
from runners import dispatch, doctor, leases, pool, stops
from runners.models import Runner
from runners.reports import apply, read_item
from tests.lifecycle import standing
from tests.lifecycle.attempts import INTERVAL, LEASE_SECONDS, LOSS_LIMIT, STOP_GRACE_SECONDS, UNSTARTED_LIMIT
from tests.lifecycle.model import Service
from tests.scenes import STARTED, SUCCEEDED

KINDS = ["A", "B", "C"]
DIVIDED_INLINE = 5
_ROUNDS_TO_THE_END = 40

T = TypeVar("T")


class Ground(RuleBasedStateMachine):
    """Everything happens in one transaction, rolled back at the end, at the times of a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Service()
        self.names: dict[int, str] = {}
        self.now: datetime = clock.now()
        self.nudges_are_lost = False
        self._agrees = True
        self._stack = ExitStack()
        self._stack.enter_context(transaction.atomic())
        self._stack.enter_context(mock.patch("pipelines.clock.now", lambda: self.now))
        self._stack.enter_context(mock.patch("runners.verdicts.UNSTARTED_LIMIT", UNSTARTED_LIMIT))
        self._stack.enter_context(
            override_settings(
                QUEUE_SIZE=self.model.queue_size,
                MAX_READY_JOBS=None,
                LEASE_SECONDS=LEASE_SECONDS,
                STOP_GRACE_SECONDS=STOP_GRACE_SECONDS,
                RETRY_BACKOFF_SECONDS=1,
                LOSS_LIMIT=LOSS_LIMIT,
                DIVIDE_INLINE_MAX_JOBS=DIVIDED_INLINE,
            )
        )

    def teardown(self) -> None:
        try:
            if self._agrees:
                self._end_everything()
        finally:
            transaction.set_rollback(True)
            self._stack.close()

    @invariant()
    def both_say_the_same(self) -> None:
        """Compare every row with the model."""
        standing.take_back_offs(self.model)
        if differences := standing.differences(standing.by_rows(), standing.by_model(self.model)):
            raise AssertionError("\n".join(differences))
        self._agrees = True

    def tick(self) -> datetime:
        """Begin a step: a moment later than the last."""
        self._agrees = False
        self.now += timedelta(milliseconds=10)
        return self.now

    def agree(self, refusal: str, action: Callable[[], object]) -> None:
        """Have the service do what the model did, or refuse it likewise."""
        try:
            with transaction.atomic():
                action()
        except PipelineError as error:
            assert type(error).__name__ == refusal
        else:
            assert refusal == ""

    def nudge(self) -> None:
        """Top up the pool, as after everything that may make room or work."""
        if not self.nudges_are_lost:
            self.top_up()

    def stop(self) -> None:
        """Ask to stop what was cancelled, as after every cancel."""
        if not self.nudges_are_lost:
            now = self.tick()
            self.model.attempts.stop(now=now)
            stops.stop_attempts(now=now)

    def top_up(self) -> None:
        standing.take_back_offs(self.model)
        now = self.tick()
        self.model.claim(names=self.names, now=now)
        pool.top_up()

    def look_after_leases(self) -> None:
        """Do what beat has done each interval."""
        self.now += INTERVAL
        now = self.tick()
        self.model.attempts.stop(now=now)
        self.model.attempts.expire(now=now)
        stops.stop_attempts(now=now)
        leases.expire(now=now)
        dispatch.resend(now=now)

    def tell(self, items: Iterable[dict[str, Any]], *, runner: int) -> None:
        """Report the items as the runner."""
        now, items = self.tick(), list(items)
        expected = self.model.attempts.report(items, runner=runner, now=now)
        read = [read_item(item) for item in items]
        replies = apply(read, allowed=None, runner=runner, now=now)  # type: ignore[arg-type]
        assert [(reply["status"], reply["cancel"]) for reply in replies] == expected

    def change_runner(self, runner: int, **values: Any) -> None:
        self.model.runners[runner] = replace(self.model.runners[runner], **values)
        Runner.objects.filter(pk=runner).update(**values)
        # The trigger noted the time by the database's clock, which these steps do not go by.
        Runner.objects.filter(pk=runner).update(capacity_changed_at=self.now)

    def change_client(self, client: int, **values: Any) -> None:
        self.model.clients[client] = replace(self.model.clients[client], **values)
        Client.objects.filter(pk=client).update(**values)
        Client.objects.filter(pk=client).update(limits_changed_at=self.now)

    def change_queue_size(self, queue_size: int) -> None:
        self.model.queue_size = settings.QUEUE_SIZE = queue_size

    def pause(self, runner: int, *, paused: bool) -> None:
        _put(self.model.paused, runner, within=paused)
        Runner.objects.filter(pk=runner).update(paused_at=self.now if paused else None)

    def silence(self, runner: int, *, silent: bool) -> None:
        _put(self.model.offline, runner, within=silent)
        Runner.objects.filter(pk=runner).update(seen_at=None if silent else self.now + timedelta(days=30))

    def _end_everything(self) -> None:
        """With room for all and runners that succeed, every pipeline comes to its end; then look back."""
        self.look_after_leases()
        assert self._violations() == []
        self.change_queue_size(1000)
        for client in self.model.clients:
            self.change_client(client, queue_size=None, is_active=True)
        for runner in self.model.runners:
            self.change_runner(runner, capacity=100, kinds=KINDS)
            self.pause(runner, paused=False)
            self.silence(runner, silent=False)
        for pipeline in self.model.pipelines.values():
            if not pipeline.divided and division.divide_submitted(pipeline.id):
                self.model.divide(pipeline, stages=standing.divided(pipeline.id), now=self.now)
        for _ in range(_ROUNDS_TO_THE_END):
            if not any(pipeline.is_unfinished for pipeline in self.model.pipelines.values()):
                break
            self.look_after_leases()
            self.top_up()
            for runner in self.model.runners:
                live = [attempt for attempt in self.model.attempts.live if attempt.runner == runner]
                keys = [{"job": attempt.job.id, "attempt": attempt.number} for attempt in live]
                self.tell([{**key, **event} for key in keys for event in (STARTED, SUCCEEDED)], runner=runner)
            self.both_say_the_same()
        assert not any(pipeline.is_unfinished for pipeline in self.model.pipelines.values())
        assert not self.model.attempts.live
        assert self._violations() == []
        there = {
            **{("pipeline", pipeline.id): pipeline.history for pipeline in self.model.pipelines.values()},
            **{("stage", s.id): s.history for pipeline in self.model.pipelines.values() for s in pipeline.stages},
            **{("job", job.id): job.history for job in self.model.jobs},
        }
        told = standing.histories()
        assert {key: told[key] for key in there} == there

    def _violations(self) -> list[doctor.Violation]:
        return doctor.check(now=self.now)


def pick(among: Iterable[T], index: int) -> T:
    """Return one of them."""
    them = list(among)
    return them[index % len(them)]


def _put(members: set[int], member: int, *, within: bool) -> None:
    (members.add if within else members.discard)(member)
