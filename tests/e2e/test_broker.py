"""The broker is no master key: a runner's user reaches its own queue alone, and little is done for a message.

A real Redis, a real runner under its own user, and what somebody tries who holds that user, or the whole broker.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from celery import Celery

from tests.e2e.stack import Stack, eventually, shell

# No heartbeat tells a runner of a cancel here: only the queue does.
SETTINGS = {"LEASE_SECONDS": "600", "HEARTBEAT_SECONDS": "300", "STOP_GRACE_SECONDS": "5"}
RUNNER = "build-1"
OWN = f"runner.{RUNNER}"
ALLOWED = {"ping", "select", "brpop", "lpush"}


@dataclass
class Limited:
    """A runner that works as its own user of the broker, and a client that uses no other."""

    made: dict[str, Any]
    broker: Any
    api: httpx.Client


@pytest.fixture(scope="module")
def limited(stack: Stack) -> Iterator[Limited]:
    made = stack.command("create_runner", RUNNER, "--type", "server", "--capacity", "2")
    assert stack.broker.execute_command(*made["broker_acl"].split()) == b"OK"
    client = stack.command("create_client", "limited", "--runner", RUNNER)
    stack.another_runner(RUNNER, token=made["token"], broker_url=made["broker_url"])
    seen = "SELECT 1 FROM runners_runner WHERE name = %s AND seen_at IS NOT NULL"
    eventually(lambda: stack.query(seen, RUNNER), what="the runner to be seen")
    with (
        redis.Redis.from_url(made["broker_url"]) as broker,
        stack.as_client(client["client_id"], client["client_secret"]) as api,
    ):
        yield Limited(made=made, broker=broker, api=api)


def test_the_runner_is_given_work_and_told_to_stop_some(stack: Stack, limited: Limited, tmp_path: Path) -> None:
    stack.broker.acl_log_reset()
    stack.broker.execute_command("CLIENT", "KILL", "USER", OWN)  # so that it connects again
    done = stack.submit({"stages": ["run"], "jobs": [shell(f"j{n}") for n in range(5)]}, api=limited.api)
    assert _state(stack, done) == "DONE"
    long = {"stages": ["run"], "jobs": [shell("long", f'touch "{tmp_path}/runs"; sleep 600')]}
    stopped = stack.submit(long, api=limited.api)
    eventually((tmp_path / "runs").exists, what="the work to run")
    assert limited.api.post(f"/pipelines/{stopped}/cancel/").status_code == 202
    assert _state(stack, stopped) == "CANCELLED"
    runners = "SELECT DISTINCT runner_name FROM pipelines_job WHERE pipeline_id IN (%s, %s)"
    assert stack.query(runners, done, stopped) == [(RUNNER,)]
    refused = {entry["object"] for entry in stack.broker.acl_log() if entry["username"] == OWN}
    # What redis-py says of itself at each connection, and takes a refusal of.
    assert refused <= {"client", "client|setinfo"}


@pytest.mark.parametrize(
    "command",
    [
        # The queues of others: neither read, nor sent to.
        "LRANGE control 0 -1", "BRPOP control 1", "LPUSH control x", "LPUSH runner.local x", "BRPOP runner.local 1",
        f"BRPOP {OWN} runner.local 1", "LPUSH runner.build-10 x", "LPUSH runner.build x", f"LPUSH {OWN}.x x",
        # What control workers put back on their queue, and where messages are bound to go.
        "HGETALL unacked", "HSET unacked x y", "ZADD unacked_index 0 x", f"SADD _kombu.binding.{OWN} x",
        "SADD _kombu.binding.control x", "SMEMBERS _kombu.binding.control",
        # Its own queue is a list, and stays one: what is pushed to it fails for nobody.
        f"SET {OWN} x", f"SADD {OWN} x", f"DEL {OWN}", f"RENAME {OWN} control", f"LMOVE {OWN} control LEFT LEFT",
        f"EXPIRE {OWN} 1",
        # The server itself.
        "KEYS *", "SCAN 0", "DBSIZE", "RANDOMKEY", "CONFIG GET *", "CONFIG SET save x", "FLUSHALL", "FLUSHDB",
        "ACL LIST", "ACL WHOAMI", f"ACL SETUSER {OWN} allkeys", "CLIENT LIST", "CLIENT KILL TYPE normal", "MONITOR",
        "INFO", "SHUTDOWN NOSAVE", "DEBUG SLEEP 1", "EVAL return(1) 0", "SUBSCRIBE x", "PSUBSCRIBE *", "PUBLISH x y",
        "SAVE", "REPLICAOF 10.0.0.1 6379", "SWAPDB 0 1", "MULTI", "COMMAND", "SLOWLOG GET",
    ],
)  # fmt: skip
def test_what_its_user_may_not_do(command: str, limited: Limited) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        limited.broker.execute_command(*command.split())


def test_its_user_may_do_no_more_than_it_needs(stack: Stack, limited: Limited) -> None:
    rights = stack.broker.acl_getuser(OWN)
    allowed = {command.removeprefix("+") for command in rights["commands"] if command.startswith("+")}
    keys = [key.decode() if isinstance(key, bytes) else key for key in rights["keys"]]
    assert (allowed, rights["categories"]) == (ALLOWED, ["-@all"])
    assert [key.removeprefix("~") for key in keys] == [OWN]
    assert (rights["channels"], "nopass" in rights["flags"], len(rights["passwords"])) == ([], False, 1)


def test_nobody_is_that_user_without_its_password(limited: Limited) -> None:
    url = limited.made["broker_url"].replace(limited.made["broker_password"], secrets.token_urlsafe(32))
    with redis.Redis.from_url(url) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


class Trap:
    """Makes a directory wherever it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@contextmanager
def anybody(stack: Stack) -> Iterator[Celery]:
    """Somebody with the keys to the whole broker."""
    url = stack.broker_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    with Celery("anybody", broker=url, set_as_current=False) as app:
        yield app


def test_a_control_worker_unpickles_nothing(stack: Stack, tmp_path: Path) -> None:
    with anybody(stack) as app:
        for task in ("runners.top_up", "pipelines.divide"):
            app.send_task(task, args=[Trap(tmp_path / "sprung")], serializer="pickle", queue="control")
    _goes_on(stack)
    assert not (tmp_path / "sprung").exists()


def test_a_control_worker_is_not_commanded_from_afar(stack: Stack) -> None:
    worker = stack.process_of("control")
    with anybody(stack) as app:
        assert app.control.ping(timeout=1) == []
        app.control.broadcast("shutdown")
        app.control.broadcast("pool_restart")
    _goes_on(stack)
    assert stack.process_of("control") == worker


def test_ids_that_are_none_do_nothing(stack: Stack) -> None:
    worker = stack.process_of("control")
    with anybody(stack) as app:
        for argument in ({"id": 1}, "1; DROP TABLE pipelines_job", -1, 10**30, None, ["x"] * 1000, "\0", "no-runner"):
            for task in ("pipelines.divide", "runners.follow", "runners.execute", "no.such.task"):
                app.send_task(task, args=[argument], queue="control")
            app.send_task("runners.top_up", args=[argument], kwargs={"limit": 10**6}, queue="control")
    _goes_on(stack)
    assert stack.process_of("control") == worker
    assert stack.command("doctor")["ok"]


def _goes_on(stack: Stack) -> None:
    """See that the control worker has read what was sent before, and works."""
    eventually(lambda: not stack.broker.llen("control"), what="the queue to be read")
    assert stack.ended(stack.submit({"stages": ["run"], "jobs": [shell("after")]}))["state"] == "DONE"


def _state(stack: Stack, pipeline: int) -> str:
    """Wait for the end of anybody's pipeline and return its state."""
    ended = "SELECT state FROM pipelines_pipeline WHERE id = %s AND finished_at IS NOT NULL"
    return str(eventually(lambda: stack.query(ended, pipeline), what=f"pipeline {pipeline} to end")[0][0])
