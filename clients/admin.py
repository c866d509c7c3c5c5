from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import PROTECT, Field
from django.forms import ModelForm
from django.http import HttpRequest
from oauth2_provider import admin as provider_admin

from clients import registration
from clients.admin_named_secrets import NamedSecrets
from clients.admin_secrets import SecretPages
from clients.models import Client
from clients.usage import use_of

LIMITS = ("priority", "queue_size", "max_ready_jobs")

# The models of django-oauth-toolkit show nothing an operator could use: tokens are hashes that live an hour, and
# the rest belongs to grants that are not offered. Its registrations are done once this import is.
admin.site.unregister(
    [
        provider_admin.application_model,
        provider_admin.access_token_model,
        provider_admin.grant_model,
        provider_admin.id_token_model,
        provider_admin.refresh_token_model,
    ]
)


class ClientList(ChangeList):
    """The list, with the use of every client on the page counted at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        clients = list(self.result_list)
        use = use_of([client.pk for client in clients])
        for client in clients:
            client.use = use[client.pk]


@admin.register(Client)
class ClientAdmin(SecretPages):
    list_display = ("name", *LIMITS, "is_active", "in_progress", "ready", "client_id")
    list_editable = (*LIMITS, "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "client_id")
    ordering = ("priority", "name")
    fields = ("name", "is_active", *LIMITS, "client_id", "created", "secret_changed_at", "has_previous_secret")
    readonly_fields = ("client_id", "created", "secret_changed_at", "has_previous_secret")
    view_on_site = False

    def get_inlines(self, request: HttpRequest, obj: Client | None) -> Any:
        return [NamedSecrets] if obj else []

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in self.list_editable and field is not None:
            # Only what differs from what the page showed is a change: an old page undoes nobody else's.
            field.show_hidden_initial = True
        return field

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ClientList

    def get_fields(self, request: HttpRequest, obj: Client | None = None) -> Any:
        return self.fields if obj else ("name", "is_active", *LIMITS)

    @admin.display(description="in progress")
    def in_progress(self, client: Client) -> int:
        return client.use.in_progress

    @admin.display(description="ready")
    def ready(self, client: Client) -> int:
        return client.use.ready

    @admin.display(description="previous secret in use", boolean=True)
    def has_previous_secret(self, client: Client) -> bool:
        return client.has_previous_secret

    def save_model(self, request: HttpRequest, obj: Client, form: ModelForm[Client], change: bool) -> None:
        if not change:
            obj.save()
            return
        # Only what was edited: the instance may be older than a rotation of its secret.
        obj.save(update_fields=[*form.changed_data, "updated"])
        if "is_active" in form.changed_data:
            (registration.activate if obj.is_active else registration.deactivate)(obj)
        else:
            registration.announce_limits(obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say that a client with pipelines stays, instead of listing every job that keeps it."""
        held_by = [
            str(relation.related_model._meta.verbose_name_plural)
            for relation in Client._meta.related_objects
            if relation.on_delete is PROTECT
            and relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": objs}).exists()
        ]
        if held_by:
            return [str(client) for client in objs], {}, set(), held_by
        return super().get_deleted_objects(objs, request)
