"""The process and its broker: whatever happens to that, it hears again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
import redis

from runners.broker import BrokerUser
from tests.agent.runner import shell
from tests.agent.service import Service
from tests.agent.started import Stack, a_redis, end, free_port


def test_it_hears_again_after_its_broker_was_away(stack: Stack, service: Service) -> None:
    port = free_port()
    stack.broker_url = f"redis://127.0.0.1:{port}/0"
    with ExitStack() as first:
        first.enter_context(a_redis(port))
        stack.start()
        stack.execute(shell(1))
        assert service.final(1)["outcome"] == "succeeded"
    for job in (2, 3):
        with a_redis(port):
            stack.execute(shell(job))
            assert service.final(job)["outcome"] == "succeeded"


@pytest.mark.parametrize(
    "disturb", [lambda client: client.flushall(), lambda client: client.client_kill_filter(_type="normal")]
)
def test_it_hears_on_whatever_happens_to_the_broker(
    stack: Stack, service: Service, disturb: Callable[[redis.Redis], object]
) -> None:
    port = free_port()
    stack.broker_url = f"redis://127.0.0.1:{port}/0"
    with a_redis(port), redis.Redis(port=port) as client:
        stack.start()
        for job in (1, 2, 3):
            stack.execute(shell(job))
            assert service.final(job)["outcome"] == "succeeded"
            disturb(client)


def test_it_hears_again_once_its_broker_user_is_back(stack: Stack, service: Service) -> None:
    port = free_port()
    stack.broker_url = f"redis://127.0.0.1:{port}/0"
    user = BrokerUser(name=f"runner.{stack.name}", queue=f"runner.{stack.name}", password="secret")
    with a_redis(port), redis.Redis(port=port) as client:
        for job in (1, 2):
            client.execute_command(*user.acl.split())
            if job == 1:
                stack.start(BROKER_URL=user.url(stack.broker_url))
            stack.execute(shell(job))
            assert service.final(job)["outcome"] == "succeeded"
            client.acl_deluser(user.name)  # as a restart does to one that is in no ACL file


def test_it_ends_on_term_while_its_broker_is_away(stack: Stack, service: Service) -> None:
    stack.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    process = stack.start()
    stack.wait_until_up()
    process.terminate()
    assert end(process)[0] == 0
