"""What the commands print of a broker user; what such a user may do is tried in tests/e2e/test_broker.py."""

from __future__ import annotations

import hashlib
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from runners.broker import BrokerUser, new_broker_user
from tests.clusters import a_kubernetes_runner
from tests.scenes import a_runner

pytestmark = pytest.mark.django_db

USER = BrokerUser(name="runner.a", queue="runner.a", password="secret")


def test_the_line_for_the_broker_holds_no_password() -> None:
    assert hashlib.sha256(b"secret").hexdigest() in USER.acl
    assert "secret" not in USER.acl.replace(hashlib.sha256(b"secret").hexdigest(), "")
    assert "secret" not in repr(USER)


@pytest.mark.parametrize(
    ("service", "runner"),
    [
        ("redis://redis.example.org:6379/0", "redis://runner.a:secret@redis.example.org:6379/0"),
        ("rediss://:master@redis.example.org/2", "rediss://runner.a:secret@redis.example.org/2"),
        ("rediss://admin:m@ster@[::1]:6380/0?ssl_ca=x", "rediss://runner.a:secret@[::1]:6380/0?ssl_ca=x"),
        ("unix:///run/redis.sock?db=0", "unix://runner.a:secret@/run/redis.sock?db=0"),
    ],
)
def test_its_url_is_the_service_s_without_the_service_s_password(service: str, runner: str) -> None:
    assert USER.url(service) == runner


def test_a_server_runner_is_made_with_its_broker_user(settings: Settings) -> None:
    settings.REDIS_URL = "rediss://:master@redis.example.org:6379/0"
    printed = StringIO()
    call_command("create_runner", "build-1", "--type", "server", "--json", stdout=printed)
    made = json.loads(printed.getvalue().splitlines()[-1])
    assert made["broker_user"] == "runner.build-1"
    assert made["broker_acl"].startswith("ACL SETUSER runner.build-1 reset on #")
    assert made["broker_url"] == f"rediss://runner.build-1:{made['broker_password']}@redis.example.org:6379/0"
    assert "master" not in printed.getvalue()
    told = StringIO()
    call_command("create_runner", "build-2", "--type", "server", stdout=told)
    assert "ACL SETUSER runner.build-2 reset on #" in told.getvalue()
    assert "rediss://runner.build-2:" in told.getvalue()


def test_a_runner_is_given_another_broker_user() -> None:
    a_runner("build-1")
    printed = [StringIO(), StringIO()]
    for each in printed:
        call_command("broker_user", "build-1", "--json", stdout=each)
    first, second = (json.loads(each.getvalue()) for each in printed)
    assert (first["name"], first["broker_user"]) == ("build-1", "runner.build-1")
    assert first["broker_password"] != second["broker_password"]


def test_a_runner_without_a_queue_has_none() -> None:
    runner = a_kubernetes_runner()
    with pytest.raises(CommandError, match="only a server runner has a queue"):
        call_command("broker_user", runner.name)
    with pytest.raises(CommandError, match="There is no runner nobody"):
        call_command("broker_user", "nobody")


def test_no_two_runners_share_a_password() -> None:
    runner = a_runner()
    assert new_broker_user(runner).password != new_broker_user(runner).password
