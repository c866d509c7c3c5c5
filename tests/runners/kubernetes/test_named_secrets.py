"""Secrets of a client in jobs of a cluster: given to its objects, kept out of everything that is kept here."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers
from django.utils import timezone
from pytest_django import Settings

from clients import vault
from clients.models import Client
from pipelines import clock
from pipelines.models import Job, Pipeline
from pipelines.states import State
from runners.kubernetes import following
from runners.kubernetes.exceptions import ClusterError, Invalid, ServerFault, Unauthorized
from runners.models import Attempt, Cluster, LogChunk
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import (
    RUNNER,
    a_cluster,
    attempt_of,
    ended,
    k8s_deployment,
    k8s_job,
    log_of,
    rounds,
    submitted,
)

pytestmark = pytest.mark.django_db

VALUE = "correct-horse-battery"
ENV = {"env": {"TOKEN": "${{ secrets.TOKEN }}"}}


@pytest.fixture(autouse=True)
def kept(client: Client) -> None:
    vault.put(client, name="TOKEN", value=VALUE)


def env_of(found: dict[str, Any]) -> list[dict[str, str]]:
    return list(found["spec"]["template"]["spec"]["containers"][0]["env"])


def everything() -> str:
    """Return all that is kept of jobs, attempts and logs."""
    rows = [*Job.objects.all(), *Attempt.objects.all(), *Pipeline.objects.all()]
    logs = [bytes(chunk.content).decode() for chunk in LogChunk.objects.all()]
    return "".join([serializers.serialize("json", rows), *logs])


def running(server: ApiServer, pipeline: Pipeline, name: str = "a") -> dict[str, Any]:
    """Have the job's pod run, and return it."""
    rounds(server, lambda: any(pod["status"].get("phase") == "Running" for pod in server.objects("pods", "default")))
    assert attempt_of(pipeline, name).started_at
    return server.objects("pods", "default")[0]


def test_the_object_has_the_value_and_nothing_here_does(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x", params=ENV))
    pod = running(server, pipeline)
    assert env_of(server.objects("jobs", "default")[0]) == [{"name": "TOKEN", "value": VALUE}]
    server.write_log(pod, f"it is {VALUE}\nnext correct-ho\n")
    following.follow(RUNNER)
    assert VALUE not in everything() and "it is ***\nnext correct-ho\n" in log_of(attempt_of(pipeline, "a"))


def test_a_value_that_comes_in_two_rounds_is_masked(server: ApiServer, client: Client) -> None:
    # Its lines are too short to be masked by themselves.
    vault.put(client, name="TOKEN", value="ab\ncd\nef\ngh\n")
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/6", params=ENV))
    pod = running(server, pipeline)
    following.follow(RUNNER)
    before = log_of(attempt_of(pipeline, "a"))
    server.write_log(pod, "ab\ncd\n")
    following.follow(RUNNER)
    server.write_log(pod, "ef\ngh\nrest\n")
    following.follow(RUNNER)
    told = log_of(attempt_of(pipeline, "a"))
    assert told == f"{before}***rest\n"
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert log_of(attempt).endswith("ended\n")
    assert attempt.log_size == len(log_of(attempt).encode())
    assert not attempt.evidence.get("kubernetes")


def test_what_is_held_back_is_told_at_the_end(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/3", params=ENV))
    pod = running(server, pipeline)
    rounds(server, lambda: server.objects("pods", "default")[0]["status"]["phase"] == "Succeeded")
    server.write_log(pod, "goodbye correct-ho")
    rounds(server, ended(pipeline))
    assert log_of(attempt_of(pipeline, "a")).endswith("goodbye correct-ho")


def test_several_pods_keep_their_names_before_their_lines(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x", params={**ENV, "completions": 2, "parallelism": 2}))
    running(server, pipeline)
    following.follow(RUNNER)
    for pod in server.objects("pods", "default"):
        server.write_log(pod, f"one {VALUE}\ntwo correct")
    following.follow(RUNNER)
    for pod in server.objects("pods", "default"):
        server.write_log(pod, " is not it\n")
    following.follow(RUNNER)
    log = log_of(attempt_of(pipeline, "a"))
    for pod in server.objects("pods", "default"):
        name = pod["metadata"]["name"]
        assert f"[{name}] one ***\n" in log
        assert log.count(f"[{name}]") == 3  # started, one, two
    assert VALUE not in everything()


def test_the_log_is_masked_by_the_value_that_the_pod_was_given(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x", params=ENV))
    pod = running(server, pipeline)
    vault.put(client, name="TOKEN", value="another value")
    vault.delete(client, name="TOKEN")
    server.write_log(pod, f"{VALUE}\n")
    following.follow(RUNNER)
    assert log_of(attempt_of(pipeline, "a")).endswith("***\n")
    assert VALUE not in everything()


def test_a_crash_after_the_creation_forgets_no_value(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x", params=ENV))
    server.fail(drop=True, verb="create", resource="jobs", times=1, after=True)
    following.follow(RUNNER)
    vault.put(client, name="TOKEN", value="another value")
    server.heal()
    pod = running(server, pipeline)
    server.write_log(pod, f"{VALUE}\n")
    following.follow(RUNNER)
    assert env_of(server.objects("jobs", "default")[0]) == [{"name": "TOKEN", "value": VALUE}]
    assert VALUE not in everything()


@pytest.mark.parametrize(("make", "call"), [(k8s_job, "create_job"), (k8s_deployment, "apply_deployment")])
def test_the_values_are_noted_before_the_cluster_is_told(
    server: ApiServer, client: Client, make: Any, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    submitted(client, make("a", params=ENV))
    noted: list[bool] = []

    def look(*_: Any, **__: Any) -> None:
        noted.append("secrets" in Attempt.objects.get().evidence.get("kubernetes", {}))
        raise Invalid("no", status=422, is_told=True, api_reason="Invalid")

    monkeypatch.setattr(f"runners.kubernetes.cluster.Cluster.{call}", look)
    following.follow(RUNNER)
    assert noted == [True]


@pytest.mark.parametrize("make", [k8s_job, k8s_deployment])
def test_one_that_is_gone_before_the_object_is_made_ends_the_attempt(
    server: ApiServer, client: Client, make: Any
) -> None:
    a_cluster(server)
    pipeline = submitted(client, make("a", params=ENV))
    vault.delete(client, name="TOKEN")
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert (pipeline.state, attempt.outcome, attempt.reason) == (State.ERROR, "failed", "secret_missing")
    assert "TOKEN" in attempt.message
    assert not server.objects("jobs", "default") and not server.objects("deployments", "default")


@pytest.mark.parametrize(
    "job", [k8s_job("a", "${{secrets.IMAGE}}"), k8s_deployment("a", "${{secrets.IMAGE}}", params={"replicas": 1})]
)
def test_messages_that_quote_a_value_are_masked(
    server: ApiServer, client: Client, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put(client, name="IMAGE", value="bad/correct-horse")
    a_cluster(server)
    pipeline = submitted(client, job)
    rounds(server, lambda: "***" in Job.objects.get().message)
    assert server.objects("pods", "default")[0]["spec"]["containers"][0]["image"] == "bad/correct-horse"
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=20))
    server.advance(1200)
    rounds(server, ended(pipeline))
    attempt = attempt_of(pipeline, "a")
    assert attempt.outcome == "failed" and "***" in json.dumps(attempt.evidence)
    assert "correct-horse" not in everything()


def test_a_refusal_of_the_api_server_is_masked(
    server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    vault.put(client, name="IMAGE", value="x" * 300 + "/" + "y" * 300)
    pipeline = submitted(
        client, k8s_job("a", "${{secrets.IMAGE}}", params={"annotations": {"a": "${{ secrets.TOKEN }}"}})
    )

    def refuse(*_: Any, **__: Any) -> None:
        cut = f"Invalid value: {'x' * 300}/{'y' * 200}"
        raise Invalid(
            cut, status=422, is_told=True, api_reason="Invalid", causes=[{"message": f"not {VALUE}", "field": "spec"}]
        )

    monkeypatch.setattr("runners.kubernetes.cluster.Cluster.create_job", refuse)
    following.follow(RUNNER)
    attempt = attempt_of(pipeline, "a")
    assert attempt.message.startswith("Invalid value: *** ")
    assert attempt.evidence["api"]["causes"] == [{"message": "not ***", "field": "spec"}]


@pytest.mark.parametrize("error", [ServerFault, Unauthorized])
def test_a_failure_that_is_shown_with_the_runner_is_masked(
    server: ApiServer, client: Client, error: type[ClusterError], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cluster(server)
    submitted(client, k8s_job("a", params=ENV))

    def refuse(*_: Any, **__: Any) -> None:
        raise error(f"a webhook does not like {VALUE}")

    monkeypatch.setattr("runners.kubernetes.cluster.Cluster.create_job", refuse)
    following.follow(RUNNER)
    assert Cluster.objects.get().error.endswith("a webhook does not like ***")


def test_a_deployment_s_earlier_values_are_not_kept_with_a_later_attempt(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    first = submitted(client, k8s_deployment("web", params=ENV))
    rounds(server, ended(first))
    assert first.state == State.DONE
    assert env_of(server.objects("deployments", "default")[0]) == [{"name": "TOKEN", "value": VALUE}]
    vault.put(client, name="TOKEN", value="another value")
    second = submitted(client, k8s_deployment("web", "unready/x", params=ENV))
    following.follow(RUNNER)
    notes = json.dumps(attempt_of(second, "web").evidence)
    assert '"before"' in notes
    assert env_of(server.objects("deployments", "default")[0]) == [{"name": "TOKEN", "value": "another value"}]
    assert VALUE not in everything() and "another value" not in everything()


def test_an_attempt_whose_key_is_gone_holds_up_no_other(server: ApiServer, client: Client, settings: Settings) -> None:
    connection = server.connection()
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "hang/x", params=ENV, allow_failure=True), k8s_job("b"))
    running(server, pipeline)
    settings.SECRET_KEY = "another key"
    runner = Attempt.objects.filter(job__pipeline=pipeline)[0].runner
    assert runner is not None
    runner.cluster.connection = connection.to_json()
    runner.cluster.save()
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "a").reason == "secret_unreadable"
    assert attempt_of(pipeline, "b").outcome == "succeeded"
    rounds(server, lambda: not server.objects("jobs", "default"))
