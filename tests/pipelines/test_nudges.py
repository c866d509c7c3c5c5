"""Wake-ups on the broker: a top-up is asked for once until a round begins, everything else each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from pipelines import nudges
from pipelines.nudges import DIVIDE, TOP_UP, send


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete("control")
        nudges.round_begins()
        yield broker
        broker.delete("control")
        nudges.round_begins()


def test_a_top_up_is_asked_for_once_until_a_round_begins(broker: redis.Redis) -> None:
    assert [send(TOP_UP) for _ in range(3)] == [True] * 3
    assert broker.llen("control") == 1
    nudges.round_begins()
    send(TOP_UP)
    assert broker.llen("control") == 2


def test_a_message_that_was_lost_is_made_up_for_soon(broker: redis.Redis) -> None:
    send(TOP_UP)
    (mark,) = broker.keys("taskpipeline.*")
    assert 0 < broker.pttl(mark) <= 1_000


def test_work_asks_for_no_round_while_there_is_no_room_and_room_does(broker: redis.Redis) -> None:
    nudges.round_found_no_room()
    assert send(TOP_UP, for_work=True)
    assert broker.llen("control") == 0
    assert [send(TOP_UP) for _ in range(2)] == [True] * 2
    assert broker.llen("control") == 1
    nudges.round_begins()
    send(TOP_UP, for_work=True)
    assert broker.llen("control") == 2


def test_a_round_that_found_no_room_hides_none_that_was_made_meanwhile(broker: redis.Redis) -> None:
    send(TOP_UP)  # as it looked
    nudges.round_found_no_room()
    nudges.round_begins()
    send(TOP_UP, for_work=True)
    assert broker.llen("control") == 2


def test_that_there_is_no_room_is_not_believed_for_long(broker: redis.Redis) -> None:
    nudges.round_found_no_room()
    (mark,) = broker.keys("taskpipeline.*")
    assert 0 < broker.pttl(mark) <= 1_000


def test_what_names_its_object_is_sent_each_time(broker: redis.Redis) -> None:
    send(DIVIDE, args=(1,))
    send(DIVIDE, args=(1,))
    assert broker.llen("control") == 2
