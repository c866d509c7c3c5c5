"""What clients, runners, operators and time do to the service: each rule does it to both it and its model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from clients.models import Client
from pipelines import cancelling, division, editing, submitting
from pipelines.models import Job, Pipeline
from runners.models import Runner
from tests.lifecycle import standing
from tests.lifecycle.ground import DIVIDED_INLINE, KINDS, Ground, pick
from tests.lifecycle.rows import ModelAttempt, ModelPipeline
from tests.runners.model import ModelClient, ModelRunner
from tests.scenes import CANCELLED, FAILED, RETURNED, STARTED, SUCCEEDED, TIMED_OUT, a_client, a_document

PIPELINES = 8
MEDDLING = ["cancel"] * 3 + ["cancel its pipeline"] + ["delete"] * 2 + ["change its pipeline"] * 2
EDITABLE = ["priority", "allow_failure", "retry_attempt", "timeout"]

index = st.integers(0, 40)
small = st.integers(0, 2)
limit = st.one_of(st.none(), st.none(), st.integers(0, 4))
job_fields = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["A", "A", *KINDS]),
        "priority": small,
        "allow_failure": st.booleans(),
        "retry_attempt": st.integers(0, 2),
        "timeout": st.sampled_from([None, None, 1, 5]),
    }
)
staged = st.lists(st.lists(job_fields, min_size=1, max_size=3), min_size=1, max_size=3)
finals = st.sampled_from([SUCCEEDED, SUCCEEDED, SUCCEEDED, FAILED, FAILED, TIMED_OUT, RETURNED])
events = st.sampled_from(
    [
        *([STARTED] * 3 + [{**STARTED, "worker": "w2"}] * 2 + [SUCCEEDED] * 3 + [FAILED] * 2),
        *(TIMED_OUT, CANCELLED, RETURNED, {"event": "alive"}),
        *({"event": "progress", "progress": number} for number in (0, 50)),
    ]
)


class Lifecycle(Ground):
    """The steps."""

    @initialize(
        clients=st.lists(st.tuples(small, limit, st.booleans()), min_size=2, max_size=3),
        runners=st.lists(
            st.tuples(st.integers(1, 4), st.sampled_from([["A"], ["A", "B"], KINDS])), min_size=1, max_size=3
        ),
        pipelines=st.lists(staged, min_size=2, max_size=4),
    )
    def begin(
        self,
        clients: list[tuple[int, int | None, bool]],
        runners: list[tuple[int, list[str]]],
        pipelines: list[list[list[dict[str, Any]]]],
    ) -> None:
        for number, (capacity, kinds) in enumerate(runners):
            made = Runner.objects.create(
                name=f"r{number}", capacity=capacity, kinds=kinds, seen_at=self.now + timedelta(days=30)
            )
            self.names[made.pk] = made.name
            self.model.runners[made.pk] = ModelRunner(made.pk, capacity, frozenset(kinds), is_open=True)
        for number, (priority, queue_size, chooses) in enumerate(clients):
            client = a_client(f"client {number}", priority=priority, queue_size=queue_size)
            chosen = [next(iter(self.names))] if chooses else []
            client.runners.set(chosen)
            self.model.clients[client.pk] = ModelClient(client.pk, priority, queue_size, True, frozenset(chosen))
            self.model.client_max_ready_jobs[client.pk] = None
        self.nudges_are_lost = True  # so that the first claim has much to choose from
        for number, stages in enumerate(pipelines):
            self._submit(number, priority=1, stages=stages)
        self.nudges_are_lost = False

    # Clients.

    @precondition(lambda self: len(self.model.pipelines) < PIPELINES)
    @rule(who=index, priority=small, stages=staged)
    def submit(self, who: int, priority: int, stages: list[list[dict[str, Any]]]) -> None:
        self._submit(who, priority=priority, stages=stages)

    def _submit(self, who: int, *, priority: int, stages: list[list[dict[str, Any]]]) -> None:
        now = self.tick()
        client = Client.objects.get(pk=pick(self.model.clients, who))
        document = a_document(
            {
                f"stage {position}": [{"name": f"{position}.{number}", **job} for number, job in enumerate(jobs)]
                for position, jobs in enumerate(stages)
            },
            priority=priority,
        )
        refusal = self.model.refuses(client.pk, jobs=len(document.jobs))
        self.agree(refusal, lambda: submitting.submit(client, document=document, now=now))
        if not refusal:
            made = Pipeline.objects.latest("id")
            pipeline = ModelPipeline(made.pk, client.pk, priority, declared_jobs=len(document.jobs))
            self.model.pipelines[made.pk] = pipeline
            assert made.divided == (len(document.jobs) <= DIVIDED_INLINE)
            if made.divided:
                self.model.divide(pipeline, stages=standing.divided(made.pk), now=now)
        self.nudge()

    @precondition(lambda self: any(not pipeline.divided for pipeline in self.model.pipelines.values()))
    @rule(which=index)
    def divide(self, which: int) -> None:
        now = self.tick()
        pipeline = pick([p for p in self.model.pipelines.values() if not p.divided], which)
        assert division.divide_submitted(pipeline.id) == pipeline.is_unfinished
        if pipeline.is_unfinished:
            self.model.divide(pipeline, stages=standing.divided(pipeline.id), now=now)
        self.nudge()

    @precondition(lambda self: self.model.jobs)
    @rule(which=index, fields=job_fields, taken=st.sampled_from([False, False, True]))
    def add_job(self, which: int, fields: dict[str, Any], taken: bool) -> None:
        now = self.tick()
        beside = pick(self.model.jobs, which)
        name = beside.name if taken else f"added {now}"
        pipeline, stage = beside.pipeline, beside.stage
        row = Pipeline.objects.get(pk=pipeline.id)
        (spec,) = a_document({stage.name: [{"name": name, **fields}]}).jobs
        refusal = self.model.refuses_job(pipeline, stage=stage.name, name=name)
        self.agree(refusal, lambda: editing.add_job(row, spec=spec))
        if not refusal:
            stage.add(**standing.fields(Job.objects.latest("id")))
        self.nudge()

    @precondition(lambda self: self.model.jobs)
    @rule(which=index, fields=job_fields, name=st.sampled_from(EDITABLE))
    def edit_job(self, which: int, fields: dict[str, Any], name: str) -> None:
        self.tick()
        job, values = pick(self.model.jobs, which), {name: fields[name]}
        row = Job.objects.get(pk=job.id)
        self.agree(self.model.edit(job, values), lambda: editing.edit_job(row, values=values))
        self.nudge()

    @precondition(lambda self: self.model.jobs)
    @rule(what=st.sampled_from(MEDDLING), which=index)
    def meddle(self, what: str, which: int) -> None:
        """A client changes its mind, as often as not about what is running."""
        now = self.tick()
        model, running = self.model, [attempt.job for attempt in self.model.attempts.live]
        job = pick(running if running and which % 2 else model.jobs, which)
        row, pipeline = Job.objects.select_related("pipeline").get(pk=job.id), job.pipeline
        if what == "cancel":
            self.agree(model.cancel(job, now=now), lambda: cancelling.cancel_job(row, now=now))
        elif what == "cancel its pipeline":
            self.agree(
                model.cancel_pipeline(pipeline, now=now), lambda: cancelling.cancel_pipeline(pipeline.id, now=now)
            )
        elif what == "delete":
            self.agree(model.delete(job, now=now), lambda: editing.delete_job(row))
        else:
            values = {"priority": which % 3}
            refusal = model.edit_pipeline(pipeline, **values)
            self.agree(refusal, lambda: editing.edit_pipeline(row.pipeline, values=dict(values)))
        self.stop()
        self.nudge()

    @precondition(lambda self: any(not p.divided and p.is_unfinished for p in self.model.pipelines.values()))
    @rule()
    def cancel_what_is_not_divided(self) -> None:
        now = self.tick()
        pipeline = next(p for p in self.model.pipelines.values() if not p.divided and p.is_unfinished)
        self.agree(
            self.model.cancel_pipeline(pipeline, now=now), lambda: cancelling.cancel_pipeline(pipeline.id, now=now)
        )

    # Operators.

    @rule(who=index, priority=small, queue_size=limit, is_active=st.sampled_from([True, True, True, False]))
    def change_limits(self, who: int, priority: int, queue_size: int | None, is_active: bool) -> None:
        self.tick()
        client = pick(self.model.clients, who)
        self.change_client(client, priority=priority, queue_size=queue_size, is_active=is_active)
        self.change_queue_size([100, 100, 0, 2, 3, 5][who % 6])
        self.nudge()

    @rule(who=index, of_client=st.one_of(st.none(), st.integers(3, 20)), of_service=st.one_of(st.none(), st.just(25)))
    def change_backpressure(self, who: int, of_client: int | None, of_service: int | None) -> None:
        self.tick()
        client = pick(self.model.clients, who)
        self.model.client_max_ready_jobs[client] = of_client
        Client.objects.filter(pk=client).update(max_ready_jobs=of_client)
        self.model.max_ready_jobs = settings.MAX_READY_JOBS = of_service

    @rule(
        which=index,
        capacity=st.integers(0, 4),
        paused=st.sampled_from([False, False, True]),
        silent=st.sampled_from([False, False, True]),
    )
    def change_a_runner(self, which: int, capacity: int, paused: bool, silent: bool) -> None:
        self.tick()
        runner = pick(self.model.runners, which)
        self.change_runner(runner, capacity=capacity)
        self.pause(runner, paused=paused)
        self.silence(runner, silent=silent)
        self.nudge()

    # The service and its runners.

    @precondition(lambda self: self.model.jobs)
    @rule()
    def claim(self) -> None:
        self.top_up()

    @precondition(lambda self: self.model.attempts.live)
    @rule(reports=st.lists(st.tuples(index, events), min_size=1, max_size=4), who=index, again=st.booleans())
    def report(self, reports: list[tuple[int, dict[str, Any]]], who: int, again: bool) -> None:
        """One runner reports of attempts of its own that are not over; what it said may come once more."""
        live = self.model.attempts.live
        runner = pick(live, who).runner
        of_runner = [attempt for attempt in live if attempt.runner == runner]
        said = [(pick(of_runner, which), event) for which, event in reports]
        self._report(said, runner=runner)
        self.nudge()
        if again:
            self._report(said[::-1], runner=runner)

    @precondition(lambda self: self.model.jobs)
    @rule(ends=st.lists(finals, min_size=1, max_size=4))
    def run(self, ends: list[dict[str, Any]]) -> None:
        """What may start is claimed, and of each runner the oldest attempts begin and end."""
        self.top_up()
        for runner in self.model.runners:
            live = [attempt for attempt in self.model.attempts.live if attempt.runner == runner]
            pairs = zip(live, ends, strict=False)
            self._report([(each, event) for each, end in pairs for event in (STARTED, end)], runner=runner)

    @precondition(lambda self: self.model.attempts.all)
    @rule(reports=st.lists(st.tuples(index, events), min_size=1, max_size=3), who=index)
    def report_of_anything(self, reports: list[tuple[int, dict[str, Any]]], who: int) -> None:
        """A runner reports once more, too late, or of what is another's."""
        attempts = self.model.attempts.all
        runner = pick(self.model.runners, who)
        self._report([(pick(attempts, which), event) for which, event in reports], runner=runner)

    @rule(lost=st.booleans())
    def lose_nudges(self, lost: bool) -> None:
        """The broker is away, or back."""
        self.nudges_are_lost = lost

    @rule(rounds=st.integers(1, 5))
    def let_time_pass(self, rounds: int) -> None:
        for _ in range(rounds):
            self.look_after_leases()

    @precondition(lambda self: self.model.attempts.live)
    @rule(who=index)
    def lose_a_runner(self, who: int) -> None:
        """A runner begins what it has and is not heard of for longer than its leases."""
        runner = pick(self.model.attempts.live, who).runner
        self._report([(each, STARTED) for each in self.model.attempts.live if each.runner == runner], runner=runner)
        self.silence(runner, silent=who % 3 == 0)
        for _ in range(5):
            self.look_after_leases()
        self.nudge()

    @rule(seconds=st.sampled_from([1, 5, 60]))
    def be_down(self, seconds: int) -> None:
        """No round of the service runs meanwhile."""
        self.tick()
        self.now += timedelta(seconds=seconds)

    def _report(self, reports: list[tuple[ModelAttempt, dict[str, Any]]], *, runner: int) -> None:
        self.tell([{"job": a.job.id, "attempt": a.number, **event} for a, event in reports], runner=runner)
