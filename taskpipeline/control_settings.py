"""Settings of the control worker, which carries out tasks: it needs what the models need, and nothing of the pages."""

from __future__ import annotations

from taskpipeline.settings import *  # noqa: F403

INSTALLED_APPS = [
    "taskpipeline.apps.TaskPipelineConfig",
    "clients",
    "pipelines",
    "runners",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "oauth2_provider",
    "pgtrigger",
]
