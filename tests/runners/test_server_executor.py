"""What stands in the messages to a server runner, on a real broker."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from runners.executors.base import ExecuteRequest
from runners.executors.server import MESSAGE_REQUESTS, ServerExecutor

QUEUE = "runner.unread"


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete(QUEUE)
        yield broker
        broker.delete(QUEUE)


def request(job: int) -> ExecuteRequest:
    return ExecuteRequest(
        job=job,
        attempt=1,
        kind="Shell",
        version="1.0.0",
        params={"command": "deploy --password hunter2"},
        timeout=None,
        report_url=f"http://here.example/api/v1/jobs/{job}/report/",
        token="a-token-of-one-attempt",
        lease_seconds=60,
    )


def test_many_requests_are_few_messages_in_order(broker: redis.Redis) -> None:
    ServerExecutor().execute("unread", [request(job) for job in range(MESSAGE_REQUESTS + 1)])
    held = [json.loads(message) for message in broker.lrange(QUEUE, 0, -1)]
    batches = [json.loads(b64decode(message["body"]))[0][0] for message in reversed(held)]
    assert [len(batch) for batch in batches] == [MESSAGE_REQUESTS, 1]
    assert [each["job"] for batch in batches for each in batch] == list(range(MESSAGE_REQUESTS + 1))


def test_what_celery_shows_of_a_message_shows_no_params_and_no_token(broker: redis.Redis) -> None:
    ServerExecutor().execute("unread", [request(1)])
    (message,) = broker.lrange(QUEUE, 0, -1)
    headers = json.loads(message)["headers"]
    assert headers["argsrepr"] == "<1 execute requests>"
    assert "hunter2" not in json.dumps(headers) and "a-token" not in json.dumps(headers)
