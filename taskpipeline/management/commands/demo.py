from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from pipelines.states import State
from taskpipeline.engines.exceptions import EngineError
from taskpipeline.stack.configuration import layout_on_any_port
from taskpipeline.stack.demo import view
from taskpipeline.stack.demo.following import follow, show_failures
from taskpipeline.stack.demo.service import Service
from taskpipeline.stack.exceptions import StackError, StoppedError
from taskpipeline.stack.holding import AlreadyHeldError
from taskpipeline.stack.programs import CLIENT
from taskpipeline.stack.supervisor import Supervisor

DOCUMENT = Path("examples") / "build-test-deliver.yaml"


class Command(BaseCommand):
    help = "Run the example pipeline over the HTTP API on a stack that is started for it, and show what happens."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        console = Console(highlight=False)
        try:
            self._demonstrate(console)
        except (StoppedError, KeyboardInterrupt) as error:
            raise CommandError("Interrupted.", returncode=130) from error
        except (StackError, EngineError, OSError) as error:
            raise CommandError(str(error)) from error
        except httpx.HTTPError as error:
            raise CommandError(f"The service does not answer: {error}. See {settings.VAR_DIR / 'log'}.") from error

    def _demonstrate(self, console: Console) -> None:
        layout = layout_on_any_port()
        try:
            with Supervisor(layout, say=console.print, introduce=False) as supervisor:
                self._run(console, url=layout.address.url, tend=lambda seconds: supervisor.tend(seconds=seconds))
        except AlreadyHeldError as held:
            if not held.url:
                raise
            console.print(f"A stack is up already at {held.url}: it is used, and left running.")
            self._run(console, url=held.url, tend=_sleep)

    def _run(self, console: Console, *, url: str, tend: Callable[[float], bool]) -> None:
        """Submit the document, follow it, show the outcome; raise CommandError unless it is DONE."""
        with Service(url, credentials=settings.VAR_DIR / "clients" / f"{CLIENT}.json") as service:
            document = settings.BASE_DIR / DOCUMENT
            console.print(f"Submitting {DOCUMENT} to {url} ...\n")
            pipeline = service.submit(document.read_bytes())
            pipeline = follow(service, pipeline, console=console, tend=tend)
            console.print(view.table(pipeline), "")
            show_failures(service, pipeline, console=console)
        if pipeline["state"] != State.DONE:
            raise CommandError(f"The pipeline ended {pipeline['state']}.")


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True
