"""The API server away, slow or unwilling: the runner is shown so, and jobs wait without harm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clients.models import Client
from pipelines import clock
from pipelines.states import State
from runners import leases, pool
from runners.kubernetes import following
from runners.models import Attempt, Cluster, Runner, Sweep
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import RUNNER, a_cluster, attempt_of, ended, k8s_job, rounds, submitted

pytestmark = pytest.mark.django_db


def is_online() -> bool:
    return Runner.objects.open(clock.now()).filter(name=RUNNER).exists()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 401}, "unauthorized"),
        ({"status": 403}, "forbidden"),
        ({"status": 500}, "server_fault"),
        ({"status": 429}, "too_many_requests"),
        ({"drop": True}, "unreachable"),
    ],
)
def test_a_failed_sync_takes_the_runner_offline_with_the_reason_and_back(
    server: ApiServer, client: Client, fault: dict[str, Any], reason: str
) -> None:
    a_cluster(server)
    assert is_online()
    server.fail(**fault)
    following.follow(RUNNER)
    assert Cluster.objects.get().error.startswith(reason)
    assert not is_online()
    server.heal()
    following.follow(RUNNER)
    assert is_online()


def test_running_jobs_are_neither_failed_nor_started_twice_while_it_is_away(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/3"), k8s_job("b", "slow/3"))
    rounds(server, lambda: len(server.objects("pods", "default")) == 2)
    server.stop()
    for _ in range(3):
        following.follow(RUNNER)
    later = clock.now() + timedelta(hours=1)
    Sweep.objects.filter(pk=leases.EXPIRE).delete()
    Sweep.objects.record(leases.EXPIRE, now=later)
    Attempt.objects.update(lease_until=clock.now())
    assert leases.expire(now=later) == 0
    assert Attempt.objects.live().count() == 2
    server.start()
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    assert server.count(verb="create", resource="jobs") == 2


def test_nothing_is_claimed_for_it_meanwhile(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    server.stop()
    following.follow(RUNNER)
    pipeline = submitted(client, k8s_job("a"))
    assert pool.top_up() == 0
    server.start()
    following.follow(RUNNER)
    assert pool.top_up() == 1
    rounds(server, ended(pipeline))


def test_it_is_left_alone_for_as_long_as_it_asks(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    server.fail(status=429, retry_after=60)
    following.follow(RUNNER)
    asked = len(server.log)
    server.heal()
    following.follow(RUNNER)
    assert len(server.log) == asked
    Cluster.objects.update(not_before=clock.now())
    following.follow(RUNNER)
    assert is_online()


def test_a_list_that_breaks_off_loses_nobody(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x"))
    rounds(server, lambda: server.objects("pods", "default"))
    server.fail(status=500, verb="list", resource="pods", times=1)
    following.follow(RUNNER)
    assert not attempt_of(pipeline, "a").is_over


def test_a_broken_log_is_a_warning_and_never_a_verdict(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    server.fail(status=404, verb="get", resource="pods/log")
    pipeline = submitted(client, k8s_job("a"))
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert attempt.outcome == "succeeded"
    assert attempt.evidence["log_warnings"]


def test_a_nudge_during_a_round_asks_for_another(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    Cluster.objects.update(round_until=clock.now() + timedelta(minutes=1))
    before = len(server.log)
    following.follow(RUNNER)
    assert len(server.log) == before
    assert Cluster.objects.get().round_requested
    Cluster.objects.update(round_until=None)
    following.follow(RUNNER)
    assert not Cluster.objects.get().round_requested


def test_a_round_that_died_holds_nobody_up_for_long(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    Cluster.objects.update(round_until=clock.now() - timedelta(seconds=1), synced_at=None)
    following.follow(RUNNER)
    assert Cluster.objects.get().synced_at
