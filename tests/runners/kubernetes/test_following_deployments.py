"""K8S/Deployment attempts followed round by round, over real HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clients.models import Client
from pipelines import cancelling, clock
from pipelines.states import State
from runners import stops
from runners.kubernetes import following
from runners.models import Attempt
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import RUNNER, a_cluster, attempt_of, ended, k8s_deployment, rounds, submitted
from tests.scenes import a_client

pytestmark = pytest.mark.django_db


def image_of(server: ApiServer, name: str = "web") -> str:
    deployment: Any = server.get("deployments", "default", name)
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def deployed(server: ApiServer, client: Client, image: str, **params: Any) -> Attempt:
    pipeline = submitted(client, k8s_deployment("web", image, params=params))
    rounds(server, ended(pipeline))
    return attempt_of(pipeline, "web")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge by a clock a minute ahead: what is given half a minute of grace has had it."""
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=1))


def test_a_deployment_rolls_out_then_says_unchanged_then_rolls_out_a_new_image(
    server: ApiServer, client: Client
) -> None:
    a_cluster(server)
    first = deployed(server, client, "web/1", replicas=2)
    assert (first.outcome, first.reason) == ("succeeded", "rolled_out")
    assert deployed(server, client, "web/1", replicas=2).reason == "unchanged"
    assert deployed(server, client, "web/2", replicas=2).reason == "rolled_out"
    assert image_of(server) == "web/2"


def test_an_image_that_cannot_be_pulled_is_told_with_its_events(
    server: ApiServer, client: Client, hurried: None
) -> None:
    a_cluster(server)
    attempt = deployed(server, client, "bad/x")
    assert (attempt.outcome, attempt.reason) == ("failed", "image_pull")
    assert "Pull" in str(attempt.evidence)


def test_it_returns_to_the_revision_before_and_keeps_both_verdicts(
    server: ApiServer, client: Client, hurried: None
) -> None:
    a_cluster(server)
    deployed(server, client, "web/1")
    attempt = deployed(server, client, "bad/x", rollback_on_failure=True)
    assert (attempt.outcome, attempt.reason) == ("failed", "image_pull")
    assert attempt.evidence["rollback"]["outcome"] == "succeeded"
    assert "Rolled back" in attempt.message
    assert image_of(server) == "web/1"
    # Ours all the same: the next apply conflicts with nobody.
    assert deployed(server, client, "web/3").reason == "rolled_out"


def test_another_clients_deployment_is_not_touched(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    deployed(server, client, "web/1")
    attempt = deployed(server, a_client("stranger"), "web/2")
    assert (attempt.outcome, attempt.reason) == ("failed", "not_owned")
    assert image_of(server) == "web/1"


def test_what_somebody_else_manages_is_a_conflict_and_never_forced(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    deployed(server, client, "web/1")
    template = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web/hotfix"}]}}}}
    server.patch("deployments", "default", "web", template, manager="kubectl")
    attempt = deployed(server, client, "web/2")
    assert (attempt.outcome, attempt.reason) == ("failed", "conflict")
    assert "kubectl" in attempt.message
    assert image_of(server) == "web/hotfix"


def test_a_cancelled_rollout_is_waited_for_no_more(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_deployment("web", "unready/x"))
    rounds(server, lambda: server.objects("pods", "default"))
    following.follow(RUNNER)
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    stops.stop_attempts(now=clock.now())
    rounds(server, ended(pipeline))
    assert pipeline.state == State.CANCELLED
    assert server.get("deployments", "default", "web")


def test_a_rollout_past_its_timeout_is_rolled_back_if_asked(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    deployed(server, client, "web/1")
    pipeline = submitted(client, k8s_deployment("web", "unready/x", params={"rollback_on_failure": True}, timeout=60))
    rounds(server, lambda: attempt_of(pipeline, "web").started_at)
    server.step(2)
    Attempt.objects.live().update(deadline_at=clock.now())
    stops.stop_attempts(now=clock.now())
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "web").outcome == "timed_out"
    assert image_of(server) == "web/1"


def test_a_note_that_somebody_leaves_on_it_supersedes_nothing(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_deployment("web", "web/1", params={"replicas": 2}))
    rounds(server, lambda: attempt_of(pipeline, "web").started_at)
    server.patch("deployments", "default", "web", {"metadata": {"annotations": {"kubernetes.io/change-cause": "x"}}})
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "web").reason == "rolled_out"
    assert deployed(server, client, "web/1", replicas=2).reason == "unchanged"


def test_a_namesake_is_not_followed(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_deployment("web", "unready/x"))
    rounds(server, lambda: attempt_of(pipeline, "web").started_at)
    server.delete("deployments", "default", "web")
    server.settle()
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "web").reason == "deleted"


def test_a_crash_between_apply_and_note_still_knows_what_was_there_before(
    server: ApiServer, client: Client, hurried: None
) -> None:
    a_cluster(server)
    deployed(server, client, "web/1")
    pipeline = submitted(client, k8s_deployment("web", "bad/x", params={"rollback_on_failure": True}))
    server.fail(drop=True, verb="patch", resource="deployments", times=1, after=True)
    following.follow(RUNNER)
    server.heal()
    rounds(server, ended(pipeline))
    assert attempt_of(pipeline, "web").evidence["rollback"]["outcome"] == "succeeded"
    assert image_of(server) == "web/1"
