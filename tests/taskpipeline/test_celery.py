"""What Celery is told, and what its tasks take: a message is a wake-up, and may come from anybody on the broker."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import pytest

from runners.agent.config import Config
from runners.agent.consumer import make_app
from taskpipeline.celery import app

OURS = ("clients.", "pipelines.", "runners.", "taskpipeline.")


def tasks() -> dict[str, Any]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if name.startswith(OURS)}


@pytest.mark.parametrize("name", sorted(tasks()))
def test_a_control_task_takes_ids_and_nothing_else(name: str) -> None:
    parameters = inspect.signature(tasks()[name].run).parameters.values()
    assert {str(parameter.annotation) for parameter in parameters} <= {"int", "str"}
    assert {parameter.name for parameter in parameters} <= {"pipeline_id", "runner"}


def test_no_task_is_acknowledged_late() -> None:
    """So that a lost connection cancels none, and the broker delivers none a second time."""
    assert not [name for name, task in tasks().items() if task.acks_late]
    assert not app.conf.task_acks_late
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss


def test_only_json_is_read_and_nobody_is_obeyed_from_afar(tmp_path: Any) -> None:
    config = Config(name="a", api_url="http://localhost", state_dir=tmp_path, token="t", broker_url="redis://localhost")
    agent: Any = make_app(config, supervisor=None)  # type: ignore[arg-type]
    with agent:
        for each in (app, agent):
            assert each.conf.accept_content == ["json"]
            assert each.conf.task_serializer == "json"
            assert not each.conf.worker_enable_remote_control
            assert each.conf.result_backend is None
            assert not each.conf.task_acks_late
            assert each.conf.worker_cancel_long_running_tasks_on_connection_loss


TOLD = """
import django
django.setup()
from taskpipeline.celery import app
app.loader.import_default_modules()
print(*(name for name in app.tasks if not name.startswith("celery.")))
"""


def test_a_control_worker_of_the_stack_knows_every_task_though_it_has_not_every_app() -> None:
    told = subprocess.run(
        [sys.executable, "-c", TOLD],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "taskpipeline.control_settings", "CELERY_SKIP_CHECKS": "true"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert set(told.split()) == set(tasks())
