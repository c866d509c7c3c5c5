from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules

from pipelines.checks import check_kinds


class PipelinesConfig(AppConfig):
    name = "pipelines"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Pipelines"

    def ready(self) -> None:
        """Register the kinds that the installed apps bring: each in its `kinds` module."""
        autodiscover_modules("kinds")
        checks.register(check_kinds)
