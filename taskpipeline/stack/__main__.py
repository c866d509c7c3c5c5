"""The supervisor as a process of its own: `python -m taskpipeline.stack LAYOUT`; `manage.py stack` becomes it."""

from __future__ import annotations

import sys

from taskpipeline.engines.exceptions import EngineError
from taskpipeline.stack.exceptions import StackError, StoppedError
from taskpipeline.stack.supervisor import Layout, Supervisor
from taskpipeline.stack.welcome import welcome


def main(argument: str) -> None:
    try:
        with Supervisor(Layout.from_json(argument), say=_say, introduce=True) as supervisor:
            _say(welcome(supervisor.layout, made=supervisor.made))
            while supervisor.tend():
                pass
    except StoppedError:
        return
    except (StackError, EngineError, OSError) as error:
        sys.exit(str(error))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
