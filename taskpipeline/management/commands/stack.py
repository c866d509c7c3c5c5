from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand

from taskpipeline.stack.configuration import layout_from_settings


class Command(BaseCommand):
    help = "Run every process of the service on this machine until Ctrl-C or TERM."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        """Become the supervisor: it stays for as long as the stack, and needs nothing of what Django holds."""
        layout = layout_from_settings()
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "taskpipeline.stack", layout.to_json()])  # noqa: S606
