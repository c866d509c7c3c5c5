from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners.broker import new_broker_user
from runners.exceptions import RunnerError
from runners.models import Runner


class Command(BaseCommand):
    help = (
        "Print a broker user for a server runner: the Redis command that makes or replaces it, and its BROKER_URL. "
        "Nothing is sent to the broker and nothing kept; each call has a new password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the runner's name")
        parser.add_argument("--json", action="store_true", help="print one line of JSON last")

    def handle(self, *, name: str, **options: Any) -> None:
        try:
            user = new_broker_user(Runner.objects.get(name=name))
        except Runner.DoesNotExist as error:
            raise CommandError(f"There is no runner {name}.") from error
        except RunnerError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"name": name, **user.shown()}))
            return
        for line in user.explained():
            self.stdout.write(line)
