from __future__ import annotations

from django.contrib import admin


class AdminSite(admin.AdminSite):
    site_header = "Task Pipeline"
    site_title = "Task Pipeline"
    index_title = "Operations"
