from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from taskpipeline import environment
from taskpipeline.patience import unhurried
from taskpipeline.stack.programs import CLIENT, RUNNER
from taskpipeline.stack.seeding import Secret, client_to_show, ensure_client, ensure_operator, ensure_runner

LOCK_KEY = 0x7461736B70  # stacks that start together on one database take turns


class Command(BaseCommand):
    help = "Migrate, then make what a first start needs: an operator, the client `demo`, the runner `local`."
    requires_system_checks = []  # `make run` is not the place to find out; `check` and the tests are

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")
        parser.add_argument(
            "--introduce",
            action="store_true",
            help="make an operator's login if there is none, and show the secrets that have never been shown",
        )

    def handle(self, **options: Any) -> None:
        client_file = settings.VAR_DIR / "clients" / f"{CLIENT}.json"
        capacity = environment.optional_integer("RUNNER_CAPACITY")
        with unhurried(connection), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
            try:
                call_command("migrate", interactive=False, verbosity=0)
                operator = ensure_operator() if options["introduce"] else None
                ensure_client(client_file)
                client = client_to_show(client_file) if options["introduce"] else None
                ensure_runner(RUNNER, capacity=capacity, file=settings.VAR_DIR / "runners" / f"{RUNNER}.token")
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
        made = {"operator": _shown(operator), "client": _shown(client)}
        if options["json"]:
            self.stdout.write(json.dumps(made))
            return
        for kind, secret in made.items():
            self.stdout.write(f"{kind}: {' '.join(secret) if secret else 'nothing to show'}")


def _shown(secret: Secret | None) -> list[str] | None:
    return [secret.name, secret.secret] if secret else None
