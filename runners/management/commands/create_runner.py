from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners.exceptions import RunnerError
from runners.models import RunnerType
from runners.registration import create_runner


class Command(BaseCommand):
    help = "Make a runner; its token is shown once, here."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="letters, digits, dots, dashes and underscores")
        parser.add_argument("--type", required=True, choices=RunnerType.values, help="what kind of place it is")
        parser.add_argument("--capacity", type=int, default=16, help="jobs it takes at once (default 16)")
        parser.add_argument("--kinds", nargs="+", default=[], help="kinds it takes (default: all its type executes)")
        parser.add_argument("--json", action="store_true", help="print one line of JSON last")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = create_runner(
                options["name"],
                runner_type=options["type"],
                capacity=options["capacity"],
                runner_kinds=options["kinds"],
            )
        except RunnerError as error:
            raise CommandError(str(error)) from error
        runner = made.runner
        if options["json"]:
            shown = {"name": runner.name, "type": runner.type, "capacity": runner.capacity, "token": made.token}
            self.stdout.write(json.dumps(shown))
            return
        self.stdout.write(f"Runner {runner.name} ({runner.type}, capacity {runner.capacity}).")
        self.stdout.write(f"Token, shown only now: {made.token}")
        self.stdout.write(f"Start it on its server: RUNNER_TOKEN=… manage.py run_runner {runner.name}")
