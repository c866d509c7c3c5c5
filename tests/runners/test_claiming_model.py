"""The claim against the model of its rules: whatever the world, the same jobs to the same runners in the same order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clients.models import Client
from pipelines import clock
from pipelines.models import Job
from runners import claiming, doctor, proposing
from runners.models import Attempt, Runner
from tests.runners.model import ModelClient, ModelJob, ModelRunner, World
from tests.scenes import FAILED, SUCCEEDED, a_client, a_pipeline, report

pytestmark = pytest.mark.django_db

KINDS = ["A", "B", "C"]
small = st.integers(0, 2)
limit = st.one_of(st.none(), st.none(), st.integers(0, 4))

clients = st.lists(
    st.fixed_dictionaries(
        {"priority": small, "queue_size": limit, "is_active": st.sampled_from([True, True, True, False])}
    ),
    min_size=2,
    max_size=3,
)
runners = st.lists(
    st.fixed_dictionaries(
        {
            "capacity": st.sampled_from([0, 1, 2, 2, 3, 3, 4]),
            "kinds": st.sampled_from([["A"], ["B"], ["A", "B"], KINDS, KINDS]),
            "paused": st.sampled_from([False, False, False, True]),
            "offline": st.sampled_from([False, False, False, True]),
            "clients": st.one_of(st.just(set()), st.just(set()), st.sets(st.integers(0, 3), max_size=2)),
        }
    ),
    min_size=2,
    max_size=4,
)
jobs = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(KINDS),
            "priority": small,
            "allow_failure": st.sampled_from([True, True, False]),
            "retry_attempt": st.integers(0, 1),
        }
    ),
    min_size=2,
    max_size=4,
)
pipelines = st.lists(
    st.fixed_dictionaries(
        {"client": st.integers(0, 3), "priority": st.integers(0, 1), "stages": st.lists(jobs, min_size=2, max_size=2)}
    ),
    min_size=4,
    max_size=6,
)
# What happens between two rounds: which of the running jobs end, how, and what an operator changes.
rounds = st.lists(
    st.fixed_dictionaries(
        {
            "ends": st.lists(
                st.tuples(st.integers(0, 20), st.sampled_from([SUCCEEDED, SUCCEEDED, SUCCEEDED, FAILED])),
                min_size=4,
                max_size=8,
            ),
            "queue_size": st.sampled_from([0, 2, 3, 4, 5, 6, 8, 100]),
            "limit": st.one_of(st.none(), st.integers(0, 4)),
            "capacity": st.integers(0, 4),
        }
    ),
    min_size=4,
    max_size=5,
)


@pytest.fixture(params=[1, 100], ids=["a shallow front", "a deep front"], autouse=True)
def front(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have claims from a few jobs go the ways of claims from very many, then their own."""
    monkeypatch.setattr(proposing, "DEPTH", 1)
    monkeypatch.setattr(proposing, "LEAST_DEPTH", request.param)


def build(given_clients: Any, given_runners: Any, given_pipelines: Any) -> None:
    made = []
    for number, fields in enumerate(given_clients):
        made.append(a_client(f"client {number}", priority=fields["priority"], queue_size=fields["queue_size"]))
        Client.objects.filter(pk=made[-1].pk).update(is_active=fields["is_active"])
    now = clock.now()
    for number, fields in enumerate(given_runners):
        runner = Runner.objects.create(
            name=f"r{number}",
            capacity=fields["capacity"],
            kinds=fields["kinds"],
            paused_at=now if fields["paused"] else None,
            seen_at=None if fields["offline"] else now + timedelta(hours=1),
        )
        runner.clients.set([made[index] for index in fields["clients"] if index < len(made)])
    for fields in given_pipelines:
        stages = {
            f"stage {position}": [{"name": f"{position}.{index}", **job} for index, job in enumerate(members)]
            for position, members in enumerate(fields["stages"])
        }
        a_pipeline(made[fields["client"] % len(made)], stages, priority=fields["priority"])


def world(queue_size: int, now: Any) -> World:
    """Return what the rows say, as the model sees it."""
    where = dict(Attempt.objects.live().values_list("job_id", "runner_id"))
    return World(
        queue_size=queue_size,
        clients={
            each.pk: ModelClient(
                each.pk,
                each.priority,
                each.queue_size,
                each.is_active,
                frozenset(each.runners.values_list("pk", flat=True)),
            )
            for each in Client.objects.all()
        },
        runners=[
            ModelRunner(each.pk, each.capacity, frozenset(each.kinds), bool(each.seen_at and not each.paused_at))
            for each in Runner.objects.all()
        ],
        jobs=[
            ModelJob(
                id=each.pk,
                client=each.client_id,
                kind=each.kind,
                pipeline_priority=each.pipeline.priority,
                stage_position=each.stage.position,
                priority=each.priority,
                may_start=each.state == "READY" and each.stage.opened_at is not None and bool(each.eligible_at),
                runner=where.get(each.pk),
            )
            for each in Job.objects.select_related("pipeline", "stage")
        ],
    )


# Not shrunk: each step of it runs a whole world in the database, for minutes.
@settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(clients, runners, pipelines, rounds)
def test_each_round_claims_what_the_model_claims_in_its_order(
    given_clients: Any, given_runners: Any, given_pipelines: Any, given_rounds: Any
) -> None:
    with transaction.atomic():
        build(given_clients, given_runners, given_pipelines)
        for step in given_rounds:
            with override_settings(QUEUE_SIZE=step["queue_size"], RETRY_BACKOFF_SECONDS=0):
                now = clock.now()
                expected = world(step["queue_size"], now).claim()
                claimed = claiming.claim(now=now)
                assert [(each.job, each.runner) for each in claimed] == expected
                assert {(each.job, each.attempt) for each in claimed} <= set(
                    Attempt.objects.live().values_list("job_id", "number")
                )
                running = list(Job.objects.filter(state="IN_PROGRESS").order_by("id"))
                for index, end in step["ends"]:
                    if running:
                        assert report(running.pop(index % len(running)), end) == [200]
                Client.objects.filter(name="client 0").update(queue_size=step["limit"])
                Runner.objects.filter(name="r0").update(capacity=step["capacity"])
        assert doctor.check(now=clock.now()) == []
        transaction.set_rollback(True)
