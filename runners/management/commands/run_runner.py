"""The process on a server: `manage.py run_runner NAME`."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from runners.agent import account
from runners.agent.config import Config
from runners.agent.exceptions import ConfigurationError
from runners.agent.launch import become_agent


class Command(BaseCommand):
    help = (
        "Run the work of the server runner NAME on this machine until TERM. Needs no database: RUNNER_TOKEN, API_URL "
        "and BROKER_URL, or else VAR_DIR/runners/NAME.token and the local stack. Whoever may run Shell on a runner is "
        "trusted with the user it runs as: see --user."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the runner's name, as given to create_runner")
        parser.add_argument("--user", metavar="USER", default="", help="run the work as this user (needs root)")
        parser.add_argument(
            "--grace",
            metavar="SECONDS",
            type=float,
            default=settings.STOP_GRACE_SECONDS,
            help="after TERM, how long work may go on before it is stopped and returned (default: STOP_GRACE_SECONDS)",
        )

    def handle(self, *, name: str, user: str, grace: float, **options: Any) -> None:
        try:
            if user:
                account.named(user)
            config = Config(
                name=name,
                token=_token(name),
                api_url=os.environ.get("API_URL", "").strip() or settings.PUBLIC_URL,
                broker_url=_broker_url(),
                state_dir=settings.VAR_DIR / "runners" / name,
                user=user,
                grace_seconds=grace,
                stop_grace_seconds=settings.STOP_GRACE_SECONDS,
                heartbeat_seconds=settings.HEARTBEAT_SECONDS,
                offline_seconds=settings.RUNNER_OFFLINE_SECONDS,
                json_logs=settings.LOG_FORMAT == "json",
            )
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        become_agent(config)


def _token(name: str) -> str:
    if token := os.environ.get("RUNNER_TOKEN", "").strip():
        return token
    path = settings.VAR_DIR / "runners" / f"{name}.token"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"No token for the runner {name}: set RUNNER_TOKEN, or put the token that create_runner printed "
            f"into {path} ({error.strerror})."
        ) from error


def _broker_url() -> str:
    if url := os.environ.get("BROKER_URL", "").strip() or settings.REDIS_URL:
        return url
    raise ConfigurationError("No broker: set BROKER_URL, or start the stack (make run) with this VAR_DIR.")
