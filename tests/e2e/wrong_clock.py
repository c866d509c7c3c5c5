"""`python -m tests.e2e.wrong_clock SECONDS run_runner NAME`: as manage.py, on a machine whose clock is so far off."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn
from unittest.mock import patch

import time_machine
from django.core.management import execute_from_command_line

from runners.agent import logs
from runners.agent.config import Config
from runners.agent.process import serve


def become_agent(config: Config) -> NoReturn:
    """Serve in this very process: another would have the machine's own clock again."""
    logs.configure(json=True)
    sys.exit(serve(config))


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "taskpipeline.settings"
    offset_seconds = int(sys.argv.pop(1))
    become = patch("runners.management.commands.run_runner.become_agent", become_agent)
    with become, time_machine.travel(time.time() + offset_seconds, tick=True):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
