"""Order and limits of the claim (contract section 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from clients.models import Client
from pipelines import clock
from pipelines.models import Job
from runners import pool, presence
from runners.models import Runner
from tests.scenes import SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, job, run, see

pytestmark = pytest.mark.django_db


def names() -> list[str]:
    """Top the pool up and return what is in progress, in the order of its claims."""
    return [each.name for each in claim_all()]


def placed() -> dict[str, str]:
    return {each.name: each.runner_name for each in claim_all()}


def a_kind_runner(name: str, *kinds: str, capacity: int = 16) -> Runner:
    """Return an online runner of kinds that need not be built in."""
    runner = Runner.objects.create(name=name, capacity=capacity, kinds=list(kinds))
    see(runner)
    return runner


def kind(name: str, *, of: str) -> dict[str, Any]:
    return {"name": name, "kind": of}


def test_the_order_is_client_pipeline_stage_job_then_age(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    low, high = a_client("low", priority=20), a_client("high", priority=1)
    twin = a_client("twin", priority=1)
    a_pipeline(low, {"s": ["last"]}, priority=0)
    a_pipeline(high, {"s": [{"name": "e", "priority": 0}]}, priority=7)
    a_pipeline(high, {"s": [{"name": "c", "priority": 3}, {"name": "b", "priority": 2}], "t": ["f"]}, priority=5)
    a_pipeline(twin, {"s": [{"name": "d", "priority": 3}]}, priority=5)
    a_pipeline(twin, {"s": [{"name": "a", "priority": 9}]}, priority=4)
    order = []
    while running := claim_all():
        order.append(running[0].name)
        run(running[0])
    # "f" is of a later stage than "e" but of a pipeline with a higher priority.
    assert order == ["a", "b", "c", "d", "f", "e", "last"]


def test_an_earlier_stage_goes_before_a_later_one_of_equal_pipelines(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    client = a_client()
    a_pipeline(client, {"s": [{"name": "a", "priority": 0}], "t": [{"name": "late", "priority": 0}]})
    run(claim_all()[0])
    a_pipeline(a_client("bob"), {"s": [{"name": "early", "priority": 99}]})
    assert names() == ["early"]


def test_one_round_claims_in_strict_order() -> None:
    a_runner()
    client = a_client()
    a_pipeline(client, {"s": [{"name": str(n), "priority": (n * 7) % 10} for n in range(10)]})
    assert [(int(name) * 7) % 10 for name in names()] == list(range(10))


def test_priorities_are_read_at_claim_time(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    first, second = a_client("first", priority=1), a_client("second", priority=2)
    a_pipeline(first, {"s": ["a"]})
    a_pipeline(second, {"s": ["b"]})
    Client.objects.filter(pk=second.pk).update(priority=0)
    assert names() == ["b"]


@pytest.mark.parametrize("queue_size", [0, 1, 3])
def test_the_pool_never_holds_more_than_queue_size(settings: Settings, queue_size: int) -> None:
    settings.QUEUE_SIZE = queue_size
    a_runner()
    a_pipeline(a_client(), {"s": list("abcde")})
    assert names() == list("abcde")[:queue_size]
    assert pool.top_up() == 0


@pytest.mark.parametrize(("queue_size", "running"), [(None, 5), (0, 0), (1, 1), (4, 4), (9, 5)])
def test_a_client_never_has_more_than_its_queue_size(queue_size: int | None, running: int) -> None:
    a_runner()
    a_pipeline(a_client(queue_size=queue_size), {"s": list("abcde")})
    assert names() == list("abcde")[:running]
    assert pool.top_up() == 0


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_a_runner_never_has_more_than_its_capacity(capacity: int) -> None:
    a_runner(capacity=capacity)
    a_pipeline(a_client(), {"s": list("abcde")})
    assert names() == list("abcde")[:capacity]
    assert pool.top_up() == 0


def test_a_client_at_its_limit_holds_nobody_back(settings: Settings) -> None:
    settings.QUEUE_SIZE = 3
    a_runner()
    a_pipeline(a_client("first", priority=1, queue_size=1), {"s": [f"a{n}" for n in range(50)]})
    a_pipeline(a_client("none", priority=2, queue_size=0), {"s": [f"b{n}" for n in range(50)]})
    a_pipeline(a_client("second", priority=3), {"s": ["c0", "c1", "c2"]})
    assert names() == ["a0", "c0", "c1"]


def test_clients_at_their_limits_cost_nothing(
    settings: Settings, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    settings.QUEUE_SIZE = 23
    a_runner(capacity=100)
    for number in range(20):
        a_pipeline(a_client(f"client {number}", priority=1, queue_size=1), {"s": ["running", "b", "c"]})
    claim_all()
    a_pipeline(a_client("last"), {"s": ["x", "y", "z"]})
    with django_assert_max_num_queries(25):
        assert pool.top_up() == 3
    assert names()[20:] == ["x", "y", "z"]


def test_a_client_s_limit_counts_over_all_its_kinds() -> None:
    a_kind_runner("r", "A", "B", "C")
    client = a_client(queue_size=2)
    a_pipeline(client, {"s": [kind("1", of="A"), kind("2", of="B"), kind("3", of="C"), kind("4", of="A")]})
    a_pipeline(a_client("bob"), {"s": [kind("5", of="B")]})
    assert names() == ["1", "2", "5"]


def test_a_kind_whose_runners_are_full_holds_nobody_back(settings: Settings) -> None:
    settings.QUEUE_SIZE = 4
    a_kind_runner("small", "A", capacity=1)
    a_kind_runner("large", "B", capacity=9)
    client = a_client(priority=1)
    a_pipeline(client, {"s": [kind(f"a{n}", of="A") for n in range(50)]}, priority=1)
    a_pipeline(client, {"s": [kind(f"b{n}", of="B") for n in range(5)]}, priority=2)
    assert names() == ["a0", "b0", "b1", "b2"]


def test_two_kinds_that_share_a_full_runner_hold_nobody_back(settings: Settings) -> None:
    settings.QUEUE_SIZE = 4
    a_kind_runner("shared", "A", "B", capacity=2)
    a_kind_runner("other", "C", capacity=2)
    client = a_client()
    # What the full runner cannot take fills the room four times over before the first that can start.
    jobs = [kind(f"{of}{n}", of=of) for kinds in ("AB", "C") for n in range(8) for of in kinds]
    a_pipeline(client, {"s": jobs})
    assert names() == ["A0", "B0", "C0", "C1"]


def test_a_client_restricted_to_a_full_runner_holds_nobody_back(settings: Settings) -> None:
    settings.QUEUE_SIZE = 4
    own, free = a_runner("own", capacity=1), a_runner("free", capacity=9)
    bound, other = a_client("bound", priority=1), a_client("other", priority=2)
    bound.runners.set([own])
    a_pipeline(bound, {"s": ["a0", "a1", "a2"]})
    a_pipeline(other, {"s": ["b0", "b1"]})
    assert placed() == {"a0": own.name, "b0": free.name, "b1": free.name}


def test_a_client_that_names_no_runner_uses_all_even_those_that_others_name() -> None:
    own = a_runner("own")
    a_client("bound").runners.set([own])
    a_pipeline(a_client("other"), {"s": ["a"]})
    assert placed() == {"a": "own"}


def test_a_job_goes_where_most_room_is_then_to_the_lowest_id() -> None:
    for name, capacity in (("one", 2), ("two", 4), ("three", 4)):
        a_runner(name, capacity=capacity)
    a_pipeline(a_client(), {"s": list("abcdefghij")})
    assert list(placed().values()) == ["two", "three", "two", "three", "one", "two", "three", "one", "two", "three"]


def test_room_is_what_is_free_not_how_large_a_runner_is() -> None:
    large = a_runner("large", capacity=5)
    a_pipeline(a_client(), {"s": ["a", "b", "c"]})
    assert pool.top_up() == 3
    a_runner("small", capacity=3)
    a_pipeline(a_client("bob"), {"s": ["d"]})
    assert placed()["d"] == "small"
    assert large.attempts.live().count() == 3


def test_only_a_runner_that_takes_the_kind_gets_it() -> None:
    a_kind_runner("a", "A", capacity=100)
    a_kind_runner("b", "B")
    a_pipeline(a_client(), {"s": [kind("1", of="B"), kind("2", of="A"), kind("3", of="C")]})
    assert placed() == {"1": "b", "2": "a"}


def test_a_runner_that_names_no_kind_takes_those_of_its_type() -> None:
    a_runner()
    a_pipeline(a_client(), {"s": ["shell", kind("other", of="K8S/Job")]})
    assert names() == ["shell"]


def test_a_deactivated_client_s_jobs_wait_and_hold_nobody_back(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    gone = a_client("gone", priority=1)
    a_pipeline(gone, {"s": ["a", "b"]})
    a_pipeline(a_client("here", priority=2), {"s": ["c"]})
    Client.objects.filter(pk=gone.pk).update(is_active=False)
    (c,) = claim_all()
    assert c.name == "c"
    Client.objects.filter(pk=gone.pk).update(is_active=True)
    run(c)
    assert names() == ["a"]


def test_what_runs_for_a_deactivated_client_ends() -> None:
    a_runner()
    client = a_client()
    pipeline = a_pipeline(client, {"s": ["a"], "t": ["b"]})
    (a,) = claim_all()
    Client.objects.update(is_active=False)
    assert run(a, SUCCEEDED).state == "DONE"
    assert names() == []
    assert job(pipeline, "b").eligible_at is not None


def test_a_paused_runner_gets_nothing_until_it_is_resumed() -> None:
    runner = a_runner()
    a_pipeline(a_client(), {"s": ["a"]})
    presence.pause(runner, note="disk", now=clock.now())
    assert names() == []
    presence.resume(runner)
    assert names() == ["a"]


@pytest.mark.parametrize("seen", [None, 30.5])
def test_an_offline_runner_gets_nothing(settings: Settings, seen: float | None) -> None:
    settings.RUNNER_OFFLINE_SECONDS = 30
    runner = a_runner(online=False)
    if seen:
        Runner.objects.update(seen_at=clock.now() - timedelta(seconds=seen))
    a_pipeline(a_client(), {"s": ["a"]})
    assert names() == []
    presence.seen(Runner.objects.get(pk=runner.pk), now=clock.now())
    assert names() == ["a"]


def test_lowered_limits_stop_nothing_and_nothing_starts_until_use_is_below(settings: Settings) -> None:
    a_runner()
    a_pipeline(a_client(), {"s": list("abcdef")})
    settings.QUEUE_SIZE = 4
    running = claim_all()
    assert len(running) == 4
    settings.QUEUE_SIZE = 2
    Client.objects.update(queue_size=3)
    Runner.objects.update(capacity=1)
    assert names() == list("abcd")
    for each in running[:3]:
        run(each)
    assert names() == ["d"]  # the runner is at its limit of one
    run(running[3])
    assert names() == ["e"]


def test_raised_limits_hold_for_what_waits_already(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner(capacity=1)
    a_pipeline(a_client(queue_size=1), {"s": list("abc")})
    assert names() == ["a"]
    settings.QUEUE_SIZE = 9
    Client.objects.update(queue_size=None)
    Runner.objects.update(capacity=2)
    assert names() == ["a", "b"]


def test_a_job_in_back_off_is_passed_over_until_its_time_comes(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    pipeline = a_pipeline(a_client(), {"s": ["a", "b"]})
    Job.objects.filter(name="a").update(eligible_at=clock.now() + timedelta(hours=1))
    assert names() == ["b"]
    assert names() == ["b"]
    settings.QUEUE_SIZE = 9
    assert names() == ["b"]
    Job.objects.filter(name="a").update(eligible_at=clock.now())
    assert set(names()) == {"a", "b"}
    assert pipeline.jobs.filter(attempt=1).count() == 2
