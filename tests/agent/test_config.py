from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.agent.config import Config
from runners.agent.exceptions import ConfigurationError

USABLE: dict[str, Any] = {
    "name": "builder-1",
    "api_url": "https://pipeline.example.org",
    "state_dir": Path("/var/lib/x"),
    "token": "t0ken",
    "broker_url": "redis://:passw0rd@broker/0",
}


def test_it_travels_as_json() -> None:
    config = Config(**USABLE, user="nobody")
    assert Config.from_json(config.to_json()) == config


def test_its_repr_has_no_secret() -> None:
    shown = repr(Config(**USABLE))
    assert "t0ken" not in shown
    assert "passw0rd" not in shown


def test_a_socket_is_spelled_as_celery_does() -> None:
    config = Config(**USABLE | {"broker_url": "unix:///run/redis.sock?db=3"})
    assert config.celery_broker_url == "redis+socket:///run/redis.sock?virtual_host=3"


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "../up"},
        {"name": ""},
        {"api_url": "pipeline.example.org"},
        {"token": ""},
        {"token": "two\nlines"},
        {"broker_url": "amqp://broker"},
        {"grace_seconds": -1.0},
    ],
)
def test_what_is_not_usable_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Config(**USABLE | bad)
