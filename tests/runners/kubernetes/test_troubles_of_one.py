"""The trouble of one object, of one node or of something in between is no verdict on the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clients.models import Client
from pipelines import clock, kinds
from pipelines.models import Job
from pipelines.states import State
from runners.kinds.k8s_job import K8sJob
from runners.kubernetes import following
from runners.models import Attempt, Cluster
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import (
    RUNNER,
    a_cluster,
    attempt_of,
    ended,
    job,
    k8s_deployment,
    k8s_job,
    log_of,
    rounds,
    submitted,
)

pytestmark = pytest.mark.django_db

QUOTA_RACE = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'


def error() -> str:
    return Cluster.objects.get().error


def complete(server: ApiServer) -> int:
    """Return how many Jobs are."""
    conditions = (each["status"].get("conditions") or [] for each in server.objects("jobs"))
    return sum(any(condition["type"] == "Complete" for condition in each) for each in conditions)


def test_an_object_that_cannot_be_created_holds_up_neither_those_that_run_nor_those_to_come(
    server: ApiServer, client: Client
) -> None:
    a_cluster(server)
    running = submitted(client, k8s_job("runs", "slow/2"))
    rounds(server, lambda: server.objects("pods", "default"))
    server.fail(status=500, verb="create", resource="jobs", times=1, message="failed calling webhook")
    begun = submitted(client, k8s_job("a"), k8s_job("b"))
    following.follow(RUNNER)
    assert error() == "server_fault: failed calling webhook"
    assert attempt_of(begun, "a").started_at is None
    assert attempt_of(begun, "b").started_at
    server.fail(status=500, verb="create", resource="jobs")
    rounds(server, ended(running))
    assert running.state == State.DONE
    server.heal()
    rounds(server, ended(begun))
    assert (begun.state, Attempt.objects.count()) == (State.DONE, 3)


def test_a_server_that_creates_nothing_is_not_asked_once_for_every_job(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    server.fail(status=500, verb="create", resource="jobs")
    submitted(client, *(k8s_job(f"j{number}") for number in range(10)))
    following.follow(RUNNER)
    assert server.count(verb="create", resource="jobs") == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 500, "message": "etcdserver: request is too large"}, "invalid"),
        ({"status": 413, "message": "limit is 3145728", "reason": "RequestEntityTooLarge"}, "invalid"),
        ({"status": 500, "message": 'admission webhook "p.io" denied the request: no'}, "forbidden"),
        ({"status": 404, "message": 'admission webhook "p.io" denied the request: no'}, "forbidden"),
        ({"status": 400, "message": 'admission webhook "p.io" denied the request: no'}, "forbidden"),
    ],
)
def test_what_is_refused_for_itself_ends_its_attempt_and_leaves_the_runner_online(
    server: ApiServer, client: Client, fault: dict[str, Any], reason: str
) -> None:
    a_cluster(server)
    server.fail(verb="create", resource="jobs", times=1, **fault)
    pipeline = submitted(client, k8s_job("a"))
    following.follow(RUNNER)
    attempt = attempt_of(pipeline, "a")
    assert (attempt.outcome, attempt.reason, error()) == ("failed", reason, "")
    assert fault["message"] in attempt.message
    assert "docs/kubernetes.md" not in attempt.message  # no right is missing


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_a_page_of_something_in_between_fails_no_job(server: ApiServer, client: Client, status: int) -> None:
    a_cluster(server)
    server.fail(status=status, page=True, verb="create", resource="jobs")
    server.fail(status=status, page=True, verb="get", resource="deployments")
    pipeline = submitted(client, k8s_job("a"), k8s_deployment("web"))
    following.follow(RUNNER)
    assert error()
    assert Attempt.objects.live().count() == 2
    server.heal()
    rounds(server, ended(pipeline))
    assert (pipeline.state, Attempt.objects.count()) == (State.DONE, 2)


def test_a_race_inside_of_the_api_server_is_tried_again(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    for verb, resource in (("create", "jobs"), ("patch", "deployments")):
        server.fail(status=409, message=QUOTA_RACE, verb=verb, resource=resource, times=1)
    pipeline = submitted(client, k8s_job("a"), k8s_deployment("web"))
    following.follow(RUNNER)
    assert (error(), Attempt.objects.live().filter(started_at=None).count()) == ("", 2)
    rounds(server, ended(pipeline))
    assert (pipeline.state, Attempt.objects.count()) == (State.DONE, 2)


def test_a_namespace_that_is_being_deleted_is_told(server: ApiServer, client: Client) -> None:
    a_cluster(server, namespaces=["old"])
    server.create_namespace("old")
    pipeline = submitted(client, k8s_job("a", "hang/x", params={"namespace": "old"}))
    rounds(server, lambda: server.objects("pods", "old"))
    server.delete("namespaces", "", "old")
    late = submitted(client, k8s_job("late", params={"namespace": "old"}))
    following.follow(RUNNER)
    assert "'old' is being deleted" in attempt_of(late, "late").message
    assert not ended(pipeline)()


def test_a_node_that_gives_no_logs_is_waited_for_and_then_warned_of(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"), k8s_job("b"), k8s_job("c", "hang/x"))
    server.fail(status=500, verb="get", resource="pods/log", message="dial tcp 10.0.0.9:10250: i/o timeout")
    rounds(server, lambda: complete(server) == 2)
    asked = server.count(resource="pods/log")
    following.follow(RUNNER)
    assert server.count(resource="pods/log") == asked + 1  # the node is left alone for the rest of the round
    assert error() == ""
    assert Attempt.objects.live().count() == 3
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=2))
    following.follow(RUNNER)
    attempt = attempt_of(pipeline, "a")
    assert attempt.outcome == "succeeded"
    assert "10250" in str(attempt.evidence["log_warnings"])
    assert not attempt_of(pipeline, "c").is_over


def test_a_node_that_answers_again_in_time_leaves_no_gap(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"))
    server.fail(status=500, verb="get", resource="pods/log")
    rounds(server, lambda: complete(server))
    following.follow(RUNNER)
    assert not attempt_of(pipeline, "a").is_over
    server.heal()
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert log_of(attempt)
    assert "log_warnings" not in attempt.evidence


def test_what_a_node_has_rotated_away_is_a_warning(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/4"))
    rounds(server, lambda: attempt_of(pipeline, "a").log_size)
    pod = server.objects("pods", "default")[0]
    server.write_log(pod, "lost\nkept\n")
    server.logs.rotate(pod, keep=1)
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert "gap" in str(attempt.evidence["log_warnings"])
    assert "kept" in log_of(attempt)


def test_params_that_this_service_takes_no_more_end_their_own_attempt(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("old", allow_failure=True), k8s_job("new"))
    Job.objects.filter(name="old").update(params={"image": "fine/x"})
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "old")
    assert (attempt.outcome, attempt.reason) == ("failed", "invalid")
    assert job(pipeline, "new").state == State.DONE


def test_a_kind_made_of_another_one_is_sent_as_that_one(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kinds.Work(K8sJob.name, K8sJob.version, {"container_name": "main", "image_name": "fine/linter"})
    monkeypatch.setattr(K8sJob, "work", lambda self, params: made)
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "exit/3"))
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
