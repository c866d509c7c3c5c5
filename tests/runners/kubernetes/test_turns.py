"""Rounds take turns, and none takes for ever: leases, the time a round has, pauses that are asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clients.models import Client
from pipelines import clock
from pipelines.states import State
from runners.kubernetes import following, turns
from runners.kubernetes.turns import Turn
from runners.models import Attempt, Cluster
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import RUNNER, a_cluster, attempt_of, ended, k8s_job, rounds, submitted

pytestmark = pytest.mark.django_db


def test_a_turn_is_renewed_with_the_requests_and_only_now_and_then(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    turn = Turn.take(RUNNER)
    assert turn is not None
    assert Turn.take(RUNNER) is None
    before = Cluster.objects.get().round_until
    monkeypatch.setattr(turns, "_RENEWAL_SECONDS", 3600)
    turn.go_on()
    assert Cluster.objects.get().round_until == before
    monkeypatch.setattr(turns, "_RENEWAL_SECONDS", -1)
    turn.go_on()
    after = Cluster.objects.get().round_until
    assert before and after and after > before
    assert turn.end()  # another round was asked for meanwhile


def test_a_round_that_takes_too_long_is_cut_and_tells(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"))
    asked = len(server.log)
    monkeypatch.setattr(turns, "ROUND_SECONDS", -1)
    following.follow(RUNNER)
    assert Cluster.objects.get().error.startswith("unreachable: The API server is slow")
    assert len(server.log) == asked
    monkeypatch.undo()
    rounds(server, ended(pipeline))
    assert (pipeline.state, Attempt.objects.count()) == (State.DONE, 1)


def test_half_of_a_round_is_kept_for_what_is_to_be_deleted(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    left = submitted(client, k8s_job("a"))
    server.fail(status=500, verb="delete", resource="jobs", times=1)
    rounds(server, ended(left))
    Cluster.objects.update(error="")  # else nothing is claimed for it
    pipeline = submitted(client, k8s_job("b"))
    monkeypatch.setattr(Turn, "is_half_over", True)
    following.follow(RUNNER)
    assert all("deletionTimestamp" in each["metadata"] for each in server.objects("jobs"))
    assert attempt_of(pipeline, "b").started_at is None
    monkeypatch.undo()
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE


@pytest.mark.parametrize("seconds", [86_400, 10**15])
def test_nobody_is_left_alone_for_longer_than_some_minutes(server: ApiServer, client: Client, seconds: int) -> None:
    a_cluster(server)
    server.fail(status=429, retry_after=seconds)
    following.follow(RUNNER)
    cluster = Cluster.objects.get()
    assert cluster.error.startswith("too_many_requests")
    longest = timedelta(seconds=following.MAX_PAUSE_SECONDS)
    assert cluster.not_before and cluster.not_before <= clock.now() + longest
