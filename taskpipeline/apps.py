from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig

# Wherever there is Django, tasks are sent and carried out by this app; the package alone stays cheap to import.
from taskpipeline.celery import app as celery_app

__all__ = ["AdminConfig", "TaskPipelineConfig", "celery_app"]


class TaskPipelineConfig(AppConfig):
    name = "taskpipeline"
    verbose_name = "Task Pipeline"


class AdminConfig(SimpleAdminConfig):
    """The admin, its pages looked for by whoever serves them (taskpipeline.urls): no other process needs them."""

    default_site = "taskpipeline.admin.AdminSite"
