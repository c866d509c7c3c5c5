from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class TaskPipelineConfig(AppConfig):
    name = "taskpipeline"
    verbose_name = "Task Pipeline"


class AdminConfig(DjangoAdminConfig):
    default_site = "taskpipeline.admin.AdminSite"
