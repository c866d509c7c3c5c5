from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from clients.registration import create_client
from runners import pool
from runners.models import Runner
from runners.registration import create_runner
from tests.api import Api, as_client, as_operator, as_staff, problem
from tests.clusters import a_kubernetes_runner, sync
from tests.scenes import FAILED, a_pipeline, a_runner, claim_all, run, see

pytestmark = pytest.mark.django_db
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def scraper(settings: Any) -> Api:
    settings.METRICS_TOKEN = "scrape-me"
    return Api({"Authorization": "Bearer scrape-me"})


def scrape(api: Api) -> Samples:
    answer = api.get("/metrics")
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    samples = [each for family in text_string_to_metric_families(answer.text) for each in family.samples]
    assert all(each.name.startswith("taskpipeline_") for each in samples)
    return {
        (each.name.removeprefix("taskpipeline_"), tuple(sorted(each.labels.items()))): each.value for each in samples
    }


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_they_are_computed_from_the_rows(scraper: Api, settings: Any) -> None:
    owner = create_client("owner", queue_size=7)
    a_runner("one", capacity=2)
    a_runner("away", online=False)
    a_pipeline(owner.client, {"build": ["a", "b", "c"]})
    first, _ = claim_all()
    run(first)
    a_pipeline(owner.client, {"build": ["d"]}, priority=1)
    (failed,) = [each for each in claim_all() if each.name == "d"]
    run(failed, FAILED)

    samples = scrape(scraper)
    of = {"client": "owner", "kind": "Shell"}
    assert sample(samples, "jobs", **of, state="DONE") == 1
    assert sample(samples, "jobs", **of, state="ERROR") == 1
    assert sample(samples, "jobs", **of, state="READY") == 1
    assert sample(samples, "jobs", **of, state="IN_PROGRESS") == 1
    assert sample(samples, "pipelines", client="owner", state="ERROR") == 1
    assert sample(samples, "attempts", outcome="succeeded", reason="") == 1
    assert sample(samples, "attempts", outcome="failed", reason="exit_code") == 1
    assert sample(samples, "queue_limit", scope="service") == settings.QUEUE_SIZE
    assert sample(samples, "queue_limit", scope="client:owner") == 7
    assert sample(samples, "runner_slots", runner="one", state="used") == 1
    assert sample(samples, "runner_slots", runner="one", state="free") == 1
    assert (sample(samples, "runner_online", runner="one"), sample(samples, "runner_online", runner="away")) == (1, 0)
    assert sample(samples, "scheduler_last_tick_timestamp_seconds") > 1.7e9
    assert sample(samples, "invariant_violations", rule="client_limit") == 0


def test_a_limit_lowered_below_use_leaves_no_negative_room(scraper: Api) -> None:
    runner = a_runner(capacity=2)
    a_pipeline(create_client("owner").client, {"build": ["a", "b"]})
    claim_all()
    Runner.objects.filter(pk=runner.pk).update(capacity=1)
    assert sample(scrape(scraper), "runner_slots", runner="local", state="free") == 0


def test_any_name_can_be_told(scraper: Api) -> None:
    name = 'a "quoted" \\ näme {},='
    a_pipeline(create_client(name).client, {"build": ["a"]})
    assert sample(scrape(scraper), "jobs", client=name, kind="Shell", state="READY") == 1


def test_an_empty_service_has_metrics_too(scraper: Api) -> None:
    assert sample(scrape(scraper), "scheduler_last_tick_timestamp_seconds") == 0


def test_no_secret_is_told(scraper: Api) -> None:
    owner, runner = create_client("owner"), create_runner("local")
    see(runner.runner)
    a_pipeline(owner.client, {"build": [{"name": "a", "params": {"command": "echo s3cret"}}]})
    pool.top_up()
    text = scraper.get("/metrics").text
    secrets = [
        owner.client_secret,
        owner.webhook_secret,
        runner.token,
        runner.runner.token_digest,
        "s3cret",
        "scrape-me",
    ]
    assert not [secret for secret in secrets if secret in text]


def test_they_cost_no_more_queries_for_more_rows(scraper: Api) -> None:
    queries = []
    for number in range(3):
        a_runner(f"r{number}")
        a_pipeline(create_client(f"c{number}", queue_size=1).client, {"build": ["a", "b"]})
        claim_all()
        with CaptureQueriesContext(connection) as captured:
            scrape(scraper)
        queries.append(len(captured))
    assert queries == [queries[0]] * 3


def test_staff_see_them(db: None) -> None:
    assert "taskpipeline_jobs" in as_operator().get("/metrics").text
    assert as_staff().get("/metrics").status_code == 200


@pytest.mark.parametrize("token", ["scrape-me", ""])
def test_nobody_else_does(token: str, settings: Any) -> None:
    settings.METRICS_TOKEN = token
    headers = ("Bearer ", "Bearer", "Bearer wrong", "scrape-me", "Bearer \xe9", "")
    others = [Api(), as_client(create_client("owner")), *(Api({"Authorization": header}) for header in headers)]
    for api in others:
        answer = api.get("/metrics")
        assert problem(answer, 401)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
        assert "taskpipeline" not in answer.text


def test_a_kubernetes_runner_is_online_while_its_rounds_succeed(scraper: Api) -> None:
    runner = a_kubernetes_runner("k8s", capacity=3)
    assert sample(scrape(scraper), "runner_online", runner="k8s") == 1
    assert sample(scrape(scraper), "runner_slots", runner="k8s", state="free") == 3
    sync(runner, error="unreachable: no route")
    assert sample(scrape(scraper), "runner_online", runner="k8s") == 0
