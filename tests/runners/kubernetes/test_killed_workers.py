"""Control workers that are killed while they talk to a cluster: no second object, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from pytest_django import Settings

from clients.models import Client
from pipelines import clock
from pipelines.states import State
from runners.models import Attempt, Cluster
from tests.concurrency import eventually
from tests.kubernetes_api import ApiServer
from tests.runners.kubernetes.scenes import RUNNER, a_cluster, ended, k8s_job, rounds, submitted

ROOT = Path(__file__).parents[3]
# What a control worker does with the message, in a process that can be killed.
ROUND = f"import django; django.setup(); from runners.kubernetes import following; following.follow({RUNNER!r})"


def a_worker(settings: Settings) -> subprocess.Popen[bytes]:
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    named = {"DATABASE_URL": database, "SECRET_KEY": settings.SECRET_KEY}
    named["DJANGO_SETTINGS_MODULE"] = "taskpipeline.settings"
    return subprocess.Popen([sys.executable, "-c", ROUND], cwd=ROOT, env={**os.environ, **named})


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_creation_and_first_sync_leaves_one_object_an_attempt(
    server: ApiServer, client: Client, settings: Settings
) -> None:
    a_cluster(server)
    pipeline = submitted(client, *(k8s_job(name) for name in "abc"))
    # Done, but the answer is held back until the worker is gone.
    server.fail(slow_seconds=60, verb="create", resource="jobs", after=True)
    worker = a_worker(settings)
    try:
        eventually(lambda: bool(server.objects("jobs")), seconds=90)
    finally:
        worker.kill()
        worker.wait()
    server.heal()
    assert Attempt.objects.live().filter(started_at=None).count() == 3
    assert Cluster.objects.get().round_until  # the dead worker's turn, which ends by itself
    Cluster.objects.update(round_until=clock.now())
    rounds(server, ended(pipeline))
    assert pipeline.state == State.DONE
    made = [each for each in server.log if (each.verb, each.plural, each.status) == ("create", "jobs", 201)]
    assert (len(made), Attempt.objects.count()) == (3, 3)
