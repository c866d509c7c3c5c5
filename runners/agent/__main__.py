"""`python -m runners.agent NAME FD`: how `manage.py run_runner` goes on; FD holds the configuration."""

from __future__ import annotations

import os
import sys

from runners.agent import logs
from runners.agent.config import Config
from runners.agent.exceptions import AgentError
from runners.agent.process import serve


def main() -> int:
    with os.fdopen(int(sys.argv[2])) as file:
        config = Config.from_json(file.read())
    logs.configure(json=config.json_logs)
    try:
        return serve(config)
    except AgentError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
