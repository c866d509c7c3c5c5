"""The admin as an app: only who serves its pages takes it in."""

from __future__ import annotations

from django.contrib.admin.apps import SimpleAdminConfig


class AdminConfig(SimpleAdminConfig):
    """The admin, its pages looked for by whoever serves them (taskpipeline.urls)."""

    default_site = "taskpipeline.admin.AdminSite"
