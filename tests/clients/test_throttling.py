"""The limit of a client's requests: exact over all processes, harmless when Redis is not there."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import redis
from django.conf import settings as service
from pytest_django import Settings

from clients import throttling
from clients.registration import Credentials
from runners.registration import create_runner
from tests.api import Api, as_client, as_operator, as_runner, problem
from tests.concurrency import together

pytestmark = pytest.mark.django_db

# Three a minute: one every 20 seconds.
LIMIT = 3


@pytest.fixture(autouse=True)
def limited(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.CLIENT_REQUESTS_PER_MINUTE = LIMIT
    monkeypatch.setattr(throttling, "_SECONDS_MAX", 20)  # however busy the machine is
    made = throttling._counter
    made.cache_clear()
    yield
    made.cache_clear()


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


def statuses(api: Api, times: int) -> list[int]:
    return [api.get("kinds/").status_code for _ in range(times)]


def let_pass(owner: Credentials, *, seconds: int) -> None:
    """Have so many seconds gone by for the client."""
    with redis.Redis.from_url(service.REDIS_URL) as broker:
        broker.decrby(f"throttle:{owner.client_id}", seconds * 1_000_000)


def test_what_is_beyond_the_limit_is_429_and_told_when_to_come_again(api: Api) -> None:
    assert statuses(api, LIMIT) == [200] * LIMIT
    answer = api.get("kinds/")
    assert "3 requests a minute" in problem(answer, 429)["detail"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 20


def test_every_request_of_a_client_counts(api: Api) -> None:
    api.post("pipelines/", b"{")
    api.get("pipelines/7/")
    api.get("docs/")
    problem(api.post("pipelines/", b"{"), 429)


def test_who_waits_as_told_is_served_and_only_once(api: Api, owner: Credentials) -> None:
    statuses(api, LIMIT)
    assert statuses(api, 5) == [429] * 5  # and what is refused costs nothing
    let_pass(owner, seconds=20)
    assert statuses(api, 2) == [200, 429]


def test_a_share_is_kept_for_a_minute_and_no_longer(api: Api, owner: Credentials) -> None:
    statuses(api, LIMIT)
    let_pass(owner, seconds=3600)
    assert statuses(api, LIMIT + 1) == [200] * LIMIT + [429]


def test_nobody_else_is_held_back(api: Api, stranger: Credentials) -> None:
    statuses(api, LIMIT + 1)
    assert statuses(as_client(stranger), LIMIT) == [200] * LIMIT
    assert statuses(as_operator(), LIMIT + 1) == [200] * (LIMIT + 1)
    runner = as_runner(create_runner("local").token)
    reports = [runner.post("reports/", {"reports": []}).status_code for _ in range(LIMIT + 1)]
    assert reports == [200] * (LIMIT + 1)


def test_wrong_secrets_do_not_spend_the_share_of_who_has_the_right_one(owner: Credentials) -> None:
    wrong = as_client(replace(owner, client_secret="x" * 43))
    assert statuses(wrong, 2 * LIMIT) == [401] * 2 * LIMIT
    assert statuses(as_client(owner), LIMIT) == [200] * LIMIT


def test_without_a_limit_nobody_asks_redis(api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CLIENT_REQUESTS_PER_MINUTE = None
    monkeypatch.setattr(throttling, "_counter", None)
    assert statuses(api, LIMIT + 1) == [200] * (LIMIT + 1)


def test_it_costs_one_round_trip(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses(api, 1)  # which makes the connection and leaves the script with Redis
    sent: list[Any] = []
    send: Any = redis.Connection.send_packed_command

    def note(connection: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(command)
        return send(connection, command, *args, **kwargs)

    for kind in (redis.Connection, redis.UnixDomainSocketConnection):
        monkeypatch.setattr(kind, "send_packed_command", note)
    assert statuses(api, 1) == [200]
    assert len(sent) == 1


def test_processes_that_race_pass_no_more_than_the_limit(owner: Credentials) -> None:
    counters = [throttling._Counter(service.REDIS_URL) for _ in range(10)]
    waits = together(*(partial(each.spend, owner.client_id, per_minute=LIMIT) for each in counters))
    assert waits.count(0) == LIMIT


@pytest.fixture
def mute() -> Iterator[str]:
    """A Redis that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        yield f"redis://{host}:{port}/0"


@pytest.mark.parametrize("away", ["refuses", "says nothing"])
def test_without_redis_requests_pass_and_it_is_left_in_peace(
    away: str,
    api: Api,
    mute: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(throttling, "_SECONDS_MAX", 0.2)
    monkeypatch.setattr(throttling, "_REST_SECONDS", 3600)
    settings.REDIS_URL = mute if away == "says nothing" else "redis://127.0.0.1:1/0"
    with caplog.at_level(logging.WARNING, logger=throttling.__name__):
        assert statuses(api, LIMIT + 2) == [200] * (LIMIT + 2)
    said = [record.message for record in caplog.records]
    assert said == ["requests are not counted: Redis does not answer"]  # of five requests one has asked


def test_once_redis_is_back_requests_are_counted_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = throttling._counter(service.REDIS_URL)
    counter._rests_until = float("inf")
    assert statuses(api, LIMIT + 1) == [200] * (LIMIT + 1)
    counter._rests_until = 0
    assert statuses(api, LIMIT + 1) == [200] * LIMIT + [429]
