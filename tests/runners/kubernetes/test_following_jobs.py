"""K8S/Job attempts followed round by round, over real HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock
from pipelines.states import State
from runners import stops
from runners.kubernetes import following, snapshot
from runners.kubernetes.cluster import Cluster as ClusterApi
from runners.models import Attempt, Installation
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


def test_a_job_runs_and_its_log_is_kept_and_its_object_removed(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"), k8s_job("b", params={"completions": 2, "parallelism": 2}))
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    attempt = attempt_of(pipeline, "a")
    assert (attempt.outcome, attempt.exit_code) == ("succeeded", 0)
    assert log_of(attempt)
    assert job(pipeline, "b").progress == 100
    assert {job(pipeline, name).message for name in "ab"} == {"It has succeeded."}  # not what it waited for last
    rounds(server, lambda: not server.objects("jobs", "default"))
    assert not server.objects("pods", "default")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("exit/3", "exit_code"),
        ("oom/x", "oom_killed"),
        ("invalid/x", "config_error"),
        ("evict/limit", "evicted"),
    ],
)
def test_each_failure_has_its_reason(server: ApiServer, client: Client, image: str, reason: str) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", image))
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert (pipeline.state, attempt.outcome, attempt.reason) == (State.ERROR, "failed", reason)
    assert attempt.message
    assert attempt.evidence
    if reason == "exit_code":
        assert attempt.exit_code == 3


def test_a_failed_attempt_is_tried_again_with_an_object_of_its_own(
    server: ApiServer, client: Client, settings: Settings
) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "exit/3", retry_attempt=1))
    rounds(server, ended(pipeline))
    assert server.count(verb="create", resource="jobs") == 2
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["failed", "failed"]


def test_an_image_that_cannot_be_pulled_ends_after_a_grace_and_leaves_nothing(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "bad/x"))
    rounds(server, lambda: attempt_of(pipeline, "a").started_at)
    server.step(3)
    following.follow(RUNNER)
    assert not attempt_of(pipeline, "a").is_over
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=1))
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert (attempt.outcome, attempt.reason) == ("failed", "image_pull")
    assert not server.objects("jobs", "default")


def test_a_cancelled_job_ends_once_its_object_is_gone(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x"))
    rounds(server, lambda: server.objects("pods", "default"))
    following.follow(RUNNER)
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    stops.stop_attempts(now=clock.now())
    following.follow(RUNNER)
    assert job(pipeline, "a").state == State.IN_PROGRESS  # its pod may still run
    rounds(server, ended(pipeline))
    assert pipeline.state == State.CANCELLED
    assert attempt_of(pipeline, "a").outcome == "cancelled"
    assert not server.objects("jobs", "default")


def test_a_node_that_does_not_confirm_a_stop_is_told(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x"))
    rounds(server, lambda: server.objects("pods", "default"))
    server.step()  # it has a node
    following.follow(RUNNER)
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    stops.stop_attempts(now=clock.now())
    following.follow(RUNNER)
    pod = server.objects("pods", "default")[0]
    server.delete("pods", "default", pod["metadata"]["name"])  # as the garbage collector does
    following.follow(RUNNER)
    assert "waits for the end of its pods" in job(pipeline, "a").message
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=2))
    following.follow(RUNNER)
    assert f"the node {pod['spec']['nodeName']} does not confirm" in job(pipeline, "a").message
    assert not attempt_of(pipeline, "a").is_over
    rounds(server, ended(pipeline))


def test_a_job_past_its_timeout_is_stopped_and_says_what_it_waited_for(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "unschedulable/x", timeout=60))
    rounds(server, lambda: server.objects("pods", "default"))
    server.step()
    Attempt.objects.update(deadline_at=clock.now())
    stops.stop_attempts(now=clock.now())
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert (attempt.outcome, attempt.reason) == ("timed_out", "unschedulable")


def test_a_job_deleted_by_hand_is_lost_off_the_clients_budget(
    server: ApiServer, client: Client, settings: Settings
) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/3"))
    rounds(server, lambda: server.objects("pods", "default"))
    following.follow(RUNNER)
    server.delete("jobs", "default", server.objects("jobs", "default")[0]["metadata"]["name"])
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    assert [a.outcome for a in Attempt.objects.order_by("number")] == ["lost", "succeeded"]
    assert (job(pipeline, "a").losses, job(pipeline, "a").failures) == (1, 0)


def test_a_crash_between_creation_and_note_makes_no_second_object(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"))
    # Done, but the answer never came: as if the worker had been killed just then.
    server.fail(drop=True, verb="create", resource="jobs", times=1, after=True)
    following.follow(RUNNER)
    assert not attempt_of(pipeline, "a").started_at
    server.heal()
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    assert Attempt.objects.count() == 1


def test_a_namesake_that_goes_between_two_requests_is_no_verdict(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"))
    server.fail(status=409, reason="AlreadyExists", verb="create", resource="jobs", times=1)
    following.follow(RUNNER)
    assert server.count(verb="get", resource="jobs") == 1
    attempt = attempt_of(pipeline, "a")
    assert (attempt.outcome, attempt.started_at) == ("", None)
    rounds(server, ended(pipeline))
    assert (pipeline.state, Attempt.objects.count()) == (State.DONE, 1)


def test_what_is_cancelled_while_a_round_lists_is_not_begun(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"), k8s_deployment("web"))
    take = snapshot.take

    def take_and_cancel(*args: Any, **options: Any) -> snapshot.Snapshot:
        seen = take(*args, **options)
        cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
        stops.stop_attempts(now=clock.now())
        return seen

    monkeypatch.setattr(snapshot, "take", take_and_cancel)
    following.follow(RUNNER)
    assert ended(pipeline)()
    assert (server.objects("jobs"), server.objects("deployments")) == ([], [])


def test_a_copy_that_somebody_made_of_a_job_is_neither_followed_nor_deleted(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/3"))
    rounds(server, lambda: server.objects("jobs"))
    found = server.objects("jobs", "default")[0]
    copied = {"name": "z-copy", "labels": found["metadata"]["labels"]}
    template = {
        "metadata": {"labels": found["metadata"]["labels"]},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "exit/3"}]},
    }
    spec = {"backoffLimit": 0, "template": template}
    with ClusterApi(server.connection()) as somebody:
        somebody.create_job("default", {"apiVersion": "batch/v1", "kind": "Job", "metadata": copied, "spec": spec})
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    assert "[" not in log_of(attempt_of(pipeline, "a"))  # of one pod alone
    rounds(server, lambda: len(server.objects("jobs", "default")) == 1)
    following.follow(RUNNER)
    assert [each["metadata"]["name"] for each in server.objects("jobs", "default")] == ["z-copy"]


def test_namespaces_and_service_accounts_not_listed_are_refused(server: ApiServer, client: Client) -> None:
    a_cluster(server, namespaces=["builds"])
    server.create_namespace("builds")
    pipeline = submitted(
        client,
        k8s_job("other", params={"namespace": "kube-system"}, allow_failure=True),
        k8s_job("account", params={"service_account": "admin"}, allow_failure=True),
        k8s_job("builds", params={"namespace": "builds"}),
    )
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "other").reason == "namespace_not_allowed"
    assert attempt_of(pipeline, "account").reason == "service_account_not_allowed"
    assert attempt_of(pipeline, "builds").outcome == "succeeded"


def test_what_the_api_server_refuses_ends_the_attempt_with_its_reason(server: ApiServer, client: Client) -> None:
    a_cluster(server, namespaces=["nowhere"])
    server.fail(status=403, verb="create", resource="jobs", times=1)
    pipeline = submitted(client, k8s_job("forbidden", allow_failure=True))
    rounds(server, lambda: attempt_of(pipeline, "forbidden").is_over)
    assert attempt_of(pipeline, "forbidden").reason == "forbidden"
    missing = submitted(client, k8s_job("missing", params={"namespace": "nowhere"}))
    rounds(server, ended(missing))
    assert attempt_of(missing, "missing").reason == "namespace_not_found"


def test_following_many_jobs_costs_requests_by_rounds_and_pages_not_by_jobs(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, *(k8s_job(f"j{number}", "hang/x") for number in range(60)))
    rounds(server, lambda: not Attempt.objects.filter(started_at=None).exists())
    server.step(3)
    following.follow(RUNNER)
    before = len(server.log)
    following.follow(RUNNER)
    assert len(server.log) - before <= 2 + 16  # lists of Jobs and pods, and the round's share of logs
    assert not ended(pipeline)()


def test_a_round_that_follows_jobs_alone_does_not_list_the_pods_that_serve(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    served = submitted(client, k8s_deployment("web", params={"replicas": 3}))
    rounds(server, ended(served))
    server.log.clear()
    pipeline = submitted(client, k8s_job("a"))
    rounds(server, ended(pipeline))
    asked = {each.query["labelSelector"] for each in server.log if (each.verb, each.plural) == ("list", "pods")}
    assert asked == {f"taskpipeline.dev/install={Installation.current()},taskpipeline.dev/job"}


def test_objects_whose_attempt_is_over_are_swept(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a"))
    server.fail(status=500, verb="delete", resource="jobs", times=1)
    rounds(server, ended(pipeline))
    assert server.objects("jobs", "default")
    rounds(server, lambda: not server.objects("jobs", "default"))
