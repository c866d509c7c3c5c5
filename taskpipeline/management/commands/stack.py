from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from taskpipeline.engines.exceptions import EngineError
from taskpipeline.stack.configuration import layout_from_settings
from taskpipeline.stack.exceptions import StackError, StoppedError
from taskpipeline.stack.supervisor import Supervisor
from taskpipeline.stack.welcome import welcome


class Command(BaseCommand):
    help = "Run every process of the service on this machine until Ctrl-C or TERM."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        try:
            with Supervisor(layout_from_settings(), say=self.stdout.write, introduce=True) as supervisor:
                self.stdout.write(welcome(supervisor.layout, made=supervisor.made))
                while supervisor.tend():
                    pass
        except StoppedError:
            return
        except (StackError, EngineError, OSError) as error:
            raise CommandError(str(error)) from error
