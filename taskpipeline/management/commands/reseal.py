from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clients.exceptions import UnsealError
from clients.models import Client, NamedSecret
from clients.sealing import resealed
from runners.models import Cluster

SEALED: tuple[tuple[Any, str], ...] = (
    (Client, "webhook_secret_sealed"),
    (NamedSecret, "sealed_value"),
    (Cluster, "sealed_connection"),
)
"""Every column that `clients.sealing.seal` encrypts."""


class Command(BaseCommand):
    help = (
        "Encrypt everything that is sealed under SECRET_KEY, what one of SECRET_KEY_FALLBACKS sealed included; exit 1 "
        "if something cannot be read. May run beside the service, and again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, **options: Any) -> None:
        changed, unreadable = 0, []
        for model, column in SEALED:
            for pk, sealed in model.objects.values_list("pk", column).order_by("pk").iterator(chunk_size=500):
                try:
                    fresh = resealed(sealed)
                except UnsealError:
                    unreadable.append(f"{model._meta.verbose_name} {pk}")
                    continue
                if fresh != sealed:
                    # Only what was read: whoever replaces it meanwhile has sealed it under SECRET_KEY.
                    changed += model.objects.filter(pk=pk, **{column: sealed}).update(**{column: fresh})
        if options["json"]:
            self.stdout.write(json.dumps({"resealed": changed, "unreadable": unreadable}))
        else:
            self.stdout.write(f"Sealed {changed} under the present SECRET_KEY.")
        if unreadable:
            listed = ", ".join(unreadable[:20])
            raise CommandError(f"{len(unreadable)} cannot be read with SECRET_KEY or SECRET_KEY_FALLBACKS: {listed}.")
