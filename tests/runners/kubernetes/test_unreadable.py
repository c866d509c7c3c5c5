"""What is kept of a cluster's connection cannot be read any more: told as every other trouble, and mended."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from clients.models import Client
from pipelines import clock
from pipelines.states import State
from runners.kubernetes import following
from runners.kubernetes.connection import Connection
from runners.models import Attempt, Cluster, Runner
from tests.clusters import SERVER, TOKEN, a_kubernetes_runner
from tests.kubernetes_api import ApiServer
from tests.kubernetes_api.certificates import Authority
from tests.operators import an_operator
from tests.runners.kubernetes.scenes import RUNNER, a_cluster, ended, k8s_job, rounds, submitted
from tests.runners.test_admin_clusters import errors, path, sent

pytestmark = pytest.mark.django_db

ANOTHER_KEY = "another-" * 8


def test_credentials_that_cannot_be_unsealed_take_it_offline_and_harm_nothing(
    server: ApiServer, client: Client, settings: Settings
) -> None:
    a_cluster(server)
    pipeline = submitted(client, k8s_job("a", "slow/3"), k8s_job("b", "slow/3"))
    rounds(server, lambda: len(server.objects("pods", "default")) == 2)
    key, asked = settings.SECRET_KEY, len(server.log)
    settings.SECRET_KEY = ANOTHER_KEY
    following.follow(RUNNER)
    error = Cluster.objects.get().error
    assert error.startswith("credentials_unreadable: ")
    assert "SECRET_KEY_FALLBACKS" in error
    assert not Runner.objects.open(clock.now()).exists()
    assert len(server.log) == asked
    assert Attempt.objects.live().count() == 2
    settings.SECRET_KEY_FALLBACKS = [key]
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    assert server.count(verb="create", resource="jobs") == 2


def test_a_kept_address_that_is_not_taken_any_more_is_told_too(server: ApiServer, client: Client) -> None:
    a_cluster(server)
    cluster = Cluster.objects.get()
    cluster.connection = cluster.connection.replace(server.url, "http://10.0.0.1")
    cluster.save()
    following.follow(RUNNER)
    assert Cluster.objects.get().error.startswith("credentials_unreadable: ")
    assert "https" in Cluster.objects.get().error


def test_in_the_admin_a_new_token_asks_for_the_ca_as_well(client: Client, settings: Settings) -> None:
    ca = Authority().pem
    runner = a_kubernetes_runner(connection=Connection(server=SERVER, token=TOKEN, ca=ca))
    settings.SECRET_KEY = ANOTHER_KEY
    operator = an_operator()
    refused = sent(operator, path(runner), token="new")
    assert "SECRET_KEY" in errors(refused.text)["ca"]
    assert sent(operator, path(runner), token="new", ca=ca).status_code == 302
    kept = Connection.from_json(Cluster.objects.get().connection)
    assert (kept.token, (kept.ca or "").split()) == ("new", ca.split())
