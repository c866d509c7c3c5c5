from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clients.exceptions import ClientError
from clients.models import DEFAULT_PRIORITY
from clients.registration import create_client


class Command(BaseCommand):
    help = "Make a client and print its id and secrets, which are shown in clear only here."

    def add_arguments(self, parser: CommandParser) -> None:
        # Numbers are read by the model's own validation: one line for each mistake, in the same words as the admin's.
        parser.add_argument("name", help="what operators see; no two clients share a name")
        parser.add_argument(
            "--priority", default=DEFAULT_PRIORITY, metavar="N", help="0-32767, a smaller number is a higher priority"
        )
        parser.add_argument(
            "--queue-size", metavar="N", help="jobs of it in progress at once (default: no limit of its own; 0: none)"
        )
        parser.add_argument(
            "--max-ready-jobs", metavar="N", help="jobs of it that may wait (default: no limit of its own)"
        )
        parser.add_argument(
            "--runner",
            dest="runners",
            nargs="+",
            action="extend",
            default=[],
            metavar="R",
            help="runners it may use, by name (default: all)",
        )
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, **options: Any) -> None:
        try:
            made = create_client(
                options["name"],
                priority=options["priority"],
                queue_size=options["queue_size"],
                max_ready_jobs=options["max_ready_jobs"],
                runners=options["runners"],
            )
        except ValidationError as error:
            raise CommandError(
                "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
            ) from error
        except ClientError as error:
            raise CommandError(str(error)) from error
        shown = {
            "client_id": made.client_id,
            "client_secret": made.client_secret,
            "webhook_secret": made.webhook_secret,
        }
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        self.stdout.write(f"Made the client {made.client.name}. Keep its secrets now: they are not shown again.")
        for name, value in shown.items():
            self.stdout.write(f"  {name:<14} {value}")
