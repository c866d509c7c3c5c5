from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    LogEntryModelAdmin = admin.ModelAdmin[LogEntry]
else:
    LogEntryModelAdmin = admin.ModelAdmin


class AuditAdmin(LogEntryModelAdmin):
    """Who changed what in the admin, only to be read: nobody changes or deletes it, nor a user with entries."""

    list_display = ("action_time", "user", "action", "content_type", "changed_object", "change")
    list_display_links = None
    list_select_related = ("user", "content_type")
    list_filter = (
        "action_flag",
        ("content_type", admin.RelatedOnlyFieldListFilter),
        ("user", admin.RelatedOnlyFieldListFilter),
    )
    search_fields = ("object_repr", "object_id", "change_message")
    sortable_by = ("action_time",)
    ordering = ("-action_time", "-pk")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = ("action_time", "user", "action", "content_type", "changed_object", "change")

    @admin.display(description="action", ordering="action_flag")
    def action(self, entry: LogEntry) -> str:
        return entry.get_action_flag_display()

    @admin.display(description="object")
    def changed_object(self, entry: LogEntry) -> SafeString | str:
        url = None if entry.is_deletion() else entry.get_admin_url()
        return format_html('<a href="{}">{}</a>', url, entry.object_repr) if url else entry.object_repr

    @admin.display(description="change")
    def change(self, entry: LogEntry) -> str:
        return entry.get_change_message() or self.get_empty_value_display()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AdminSite(admin.AdminSite):
    site_header = "Task Pipeline"
    site_title = "Task Pipeline"
    index_title = "Operations"
    site_url = None
    enable_nav_sidebar = False  # the lists are wide, and the header leads to each

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Here and not by the decorator: this module is imported to make the site, and would ask for it then.
        self.register(LogEntry, AuditAdmin)
