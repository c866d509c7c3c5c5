"""Backpressure: what may wait is exact, whoever submits at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from clients.models import Client
from pipelines import cancelling, clock, division, editing
from pipelines.exceptions import LimitReached, NeverFits
from pipelines.models import Job, Pipeline
from tests.concurrency import begin, result, together
from tests.scenes import FAILED, a_client, a_document, a_pipeline, a_runner, claim_all, job, run

pytestmark = pytest.mark.django_db


def submit(client: Client, jobs: int) -> Pipeline:
    return a_pipeline(client, {"build": [f"job {n}" for n in range(jobs)]})


def refusal(action: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(LimitReached) as caught:
        action()
    error = caught.value
    return {"scope": error.scope, "limit": error.limit, "in_use": error.in_use, "requested": error.requested}


def test_the_client_s_limit_is_filled_exactly_and_no_further() -> None:
    client = a_client(max_ready_jobs=5)
    submit(client, 3)
    submit(client, 2)
    assert refusal(lambda: submit(client, 1)) == {"scope": "client", "limit": 5, "in_use": 5, "requested": 1}
    assert Pipeline.objects.count() == 2


def test_a_submission_that_does_not_fit_now_is_refused_whole() -> None:
    client = a_client(max_ready_jobs=5)
    submit(client, 3)
    assert refusal(lambda: submit(client, 3))["in_use"] == 3
    assert Job.objects.count() == 3


def test_what_was_claimed_or_has_ended_waits_no_longer() -> None:
    a_runner(capacity=2)
    client = a_client(max_ready_jobs=3)
    submit(client, 3)
    claim_all()
    submit(client, 2)
    assert refusal(lambda: submit(client, 1))["in_use"] == 3


def test_one_client_s_backlog_is_not_another_s_limit_but_is_the_service_s(settings: Settings) -> None:
    settings.MAX_READY_JOBS = 5
    alice, bob = a_client("alice", max_ready_jobs=4), a_client("bob")
    submit(alice, 3)
    submit(bob, 2)
    assert refusal(lambda: submit(bob, 1)) == {"scope": "service", "limit": 5, "in_use": 5, "requested": 1}
    assert refusal(lambda: submit(alice, 2))["scope"] == "client"


@pytest.mark.parametrize(("scope", "limits"), [("client", (2, None)), ("service", (None, 2)), ("client", (2, 1))])
def test_what_can_never_fit_is_told_apart(
    settings: Settings, scope: str, limits: tuple[int | None, int | None]
) -> None:
    settings.MAX_READY_JOBS = limits[1]
    with pytest.raises(NeverFits) as caught:
        submit(a_client(max_ready_jobs=limits[0]), 3)
    assert (caught.value.scope, caught.value.requested) == (scope, 3)
    assert not Pipeline.objects.exists()


def test_a_limit_of_zero_lets_nothing_in() -> None:
    with pytest.raises(NeverFits):
        submit(a_client(max_ready_jobs=0), 1)


def test_undivided_pipelines_count_with_the_jobs_they_declare_until_they_end(settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 2
    client = a_client(max_ready_jobs=4)
    large = submit(client, 3)
    assert refusal(lambda: submit(client, 2))["in_use"] == 3
    division.divide_submitted(large.pk)
    assert refusal(lambda: submit(client, 2))["in_use"] == 3
    another = a_client("bob", max_ready_jobs=3)
    cancelling.cancel_pipeline(submit(another, 3).pk, now=clock.now())
    submit(another, 3)


def test_a_job_added_later_is_admitted_likewise() -> None:
    client = a_client(max_ready_jobs=2)
    pipeline = submit(client, 1)
    first, second = a_document({"build": ["late", "later"]}).jobs
    editing.add_job(pipeline, spec=first)
    assert refusal(lambda: editing.add_job(pipeline, spec=second))["in_use"] == 2


@pytest.mark.parametrize(("ended", "seconds"), [(0, 300), (1, 120), (2, 60), (120, 1), (240, 1)])
def test_retry_after_follows_the_rate_at_which_jobs_ended(ended: int, seconds: int) -> None:
    a_runner(capacity=1000)
    client = a_client(max_ready_jobs=1001)
    if ended:
        submit(client, ended)
        now = clock.now()
        Job.objects.update(state="IN_PROGRESS")
        Job.objects.update(state="DONE", finished_at=now - timedelta(seconds=30))
    submit(client, 1001)
    with pytest.raises(LimitReached) as caught:
        submit(client, 2)
    assert caught.value.retry_after_seconds == seconds


def test_what_ended_long_ago_drains_nothing() -> None:
    a_runner()
    client = a_client(max_ready_jobs=1)
    submit(client, 1)
    run(claim_all()[0], FAILED)
    Job.objects.update(finished_at=clock.now() - timedelta(hours=1))
    submit(client, 1)
    with pytest.raises(LimitReached) as caught:
        submit(client, 1)
    assert caught.value.retry_after_seconds == 300


def admitted(client: Client, jobs: int) -> bool:
    try:
        submit(client, jobs)
    except LimitReached:
        return False
    return True


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scope", ["client", "service"])
def test_racing_submissions_fill_the_limit_exactly(settings: Settings, scope: str) -> None:
    limit = 7
    settings.MAX_READY_JOBS = limit if scope == "service" else None
    own = limit if scope == "client" else None
    names = ["alice"] * 6 if scope == "client" else ["alice", "bob", "carol"] * 2
    clients = {name: a_client(name, max_ready_jobs=own) for name in set(names)}
    outcomes = together(*[partial(admitted, clients[name], 2) for name in names])
    assert sorted(outcomes) == [False] * 3 + [True] * 3
    assert Job.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_a_division_that_commits_in_the_middle_of_an_admission_is_counted_once(settings: Settings) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 2
    client = a_client(max_ready_jobs=4)
    large = submit(client, 3)
    divided: list[bool] = []

    def divide_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "declared_jobs" in sql and "sum(" in sql.lower() and not divided:
            divided.append(result(begin(lambda: division.divide_submitted(large.pk))))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(divide_first):
        assert refusal(lambda: submit(client, 2))["in_use"] == 3
    assert divided == [True]
    assert job(large, "job 0").state == "READY"
