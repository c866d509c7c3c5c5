from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pipelines import clock
from runners import doctor


class Command(BaseCommand):
    help = "Check the invariants of the service; exit 1 if one does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one line of JSON last")

    def handle(self, *args: Any, **options: Any) -> None:
        violations = doctor.check(now=clock.now())
        for violation in violations:
            self.stderr.write(f"{violation.rule}: {violation.count} ({', '.join(violation.examples)})")
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not violations, "violations": [asdict(v) for v in violations]}))
        elif not violations:
            self.stdout.write(f"All {len(doctor.RULES)} invariants hold.")
        if violations:
            self.stderr.write("What each rule means and what to do: docs/operations.md#doctor")
            sys.exit(1)
