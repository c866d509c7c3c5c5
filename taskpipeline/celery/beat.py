"""Beat as the stack runs it: `python -m taskpipeline.celery.beat`.

`celery -A taskpipeline beat` does the same and takes any option. Its command line alone costs a process 9 MiB.
"""

from __future__ import annotations

from taskpipeline.celery import app

if __name__ == "__main__":
    app.Beat(quiet=True).run()
