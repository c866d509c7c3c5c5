from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError
from pytest_django import DjangoAssertNumQueries

from pipelines import clock
from runners import pool
from runners.models import Sweep
from tests.api import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def topped_up(db: None) -> None:
    pool.top_up()


def readiness(expected: int) -> dict[str, Any]:
    answer = Api().get("/readyz/")
    assert answer.status_code == expected
    body: dict[str, Any] = answer.json()
    assert body == {"status": "ok" if expected == 200 else "unavailable"}  # and nothing else: nobody has to log in
    return body


def test_the_process_answers_without_asking_anybody(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        answer = Api().get("/healthz/")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert Api().ask("HEAD", "/healthz/").status_code == 200
    assert Api().post("/healthz/").status_code == 405


def test_a_service_that_works_is_ready(topped_up: None) -> None:
    readiness(200)


def test_before_the_first_top_up_it_is_not_ready(db: None) -> None:
    readiness(503)


def test_without_a_top_up_lately_it_is_not_ready_until_the_next(topped_up: None, settings: Any) -> None:
    settings.TOP_UP_SECONDS = 4
    Sweep.objects.filter(pk=pool.TOP_UP).update(succeeded_at=clock.now() - timedelta(seconds=19))
    readiness(200)
    Sweep.objects.filter(pk=pool.TOP_UP).update(succeeded_at=clock.now() - timedelta(seconds=21))
    readiness(503)
    pool.top_up()
    readiness(200)


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1:1/0", "unix:///nowhere/redis.sock?db=0", "nonsense", ""],
)
def test_without_the_broker_it_is_not_ready(url: str, topped_up: None, settings: Any) -> None:
    settings.REDIS_URL = url
    readiness(503)


@pytest.mark.parametrize("error", [OperationalError("away"), ProgrammingError("no such table")])
def test_without_the_database_it_is_not_ready(
    error: Exception, topped_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
    readiness(503)
    monkeypatch.undo()
    readiness(200)
