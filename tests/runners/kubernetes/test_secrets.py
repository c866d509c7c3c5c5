"""A token that is sent to a cluster stands in no log, no error, no page and no answer, however the round ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runners.kubernetes import following
from runners.models import Cluster
from runners.registration import ClusterOptions, create_runner
from tests.api import as_operator
from tests.kubernetes_api import ApiServer
from tests.kubernetes_api.access import EVERYTHING
from tests.operators import an_operator, page
from tests.runners.kubernetes.scenes import RUNNER

pytestmark = pytest.mark.django_db

TOKEN = "a-token-that-nobody-sees"


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (lambda server: server.revoke(TOKEN), "unauthorized"),
        (lambda server: server.deny("list", "jobs"), "forbidden"),
        (lambda server: server.fail(status=500), "server_fault"),
        (lambda server: server.fail(status=429, retry_after=3600), "too_many_requests"),
        (lambda server: server.fail(drop=True), "unreachable"),
        (lambda server: server.stop(), "unreachable"),
    ],
)
def test_a_failing_sync_tells_its_reason_and_no_secret(
    trouble: Callable[[ApiServer], None],
    reason: str,
    server: ApiServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    server.add_token(TOKEN, rules=EVERYTHING)
    cluster = ClusterOptions(connection=server.connection(token=TOKEN), namespace="default")
    runner = create_runner(RUNNER, runner_type="kubernetes", cluster=cluster).runner
    following.follow(RUNNER)
    assert Cluster.objects.get().error == ""
    trouble(server)
    following.follow(RUNNER)
    error = Cluster.objects.get().error
    assert error.startswith(f"{reason}: ")
    assert "cluster does not answer" in caplog.text
    operator, where = an_operator(), f"/admin/runners/runner/{runner.pk}/change/"
    texts = [error, page(operator, where), page(operator, "/admin/runners/runner/")]
    texts += [as_operator().get("runners/").text, *capfd.readouterr()]
    texts += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert reason in texts[1]
    assert all(TOKEN not in text for text in texts)
