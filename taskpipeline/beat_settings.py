"""Settings of beat, which reads the schedule and sends names of tasks: of all the apps it needs one."""

from __future__ import annotations

from taskpipeline.settings import *  # noqa: F403

INSTALLED_APPS = ["taskpipeline.apps.TaskPipelineConfig", "django_celery_beat"]
