from __future__ import annotations

from django.apps import AppConfig

# Wherever there is Django, tasks are sent and carried out by this app; the package alone stays cheap to import.
from taskpipeline.celery import app as celery_app

__all__ = ["TaskPipelineConfig", "celery_app"]


class TaskPipelineConfig(AppConfig):
    name = "taskpipeline"
    verbose_name = "Task Pipeline"
