"""What the agent is started with."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from runners.agent.exceptions import ConfigurationError

_BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "unix")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the agent needs, checked; its repr has no secret."""

    name: str
    api_url: str
    state_dir: Path
    token: str = field(repr=False)
    broker_url: str = field(repr=False)
    user: str = ""
    grace_seconds: float = 10.0
    stop_grace_seconds: float = 10.0
    heartbeat_seconds: float = 10.0
    offline_seconds: float = 30.0
    json_logs: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError("The runner's name is not usable: letters, digits, '.', '_' and '-', at most 100.")
        api = urlsplit(self.api_url)
        if api.scheme not in ("http", "https") or not api.hostname:
            raise ConfigurationError("API_URL is not usable: expected a URL like https://pipeline.example.org.")
        if not self.token.strip() or not self.token.isascii() or not self.token.isprintable():
            raise ConfigurationError("RUNNER_TOKEN is not usable: give the token that create_runner printed.")
        if urlsplit(self.broker_url).scheme not in _BROKER_SCHEMES:
            raise ConfigurationError("BROKER_URL is not usable: expected a URL starting with redis:// or unix://.")
        for name in ("grace_seconds", "stop_grace_seconds"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} is not usable: expected a number of seconds, 0 or more.")

    @property
    def celery_broker_url(self) -> str:
        """The broker's URL as Celery spells it: a socket is redis+socket:// there, unix:// for redis-py."""
        return self.broker_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)

    @property
    def queue(self) -> str:
        return f"runner.{self.name}"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        values = json.loads(text)
        return cls(**(values | {"state_dir": Path(values["state_dir"])}))
