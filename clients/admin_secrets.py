from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from clients import registration
from clients.models import Client

if TYPE_CHECKING:
    ClientModelAdmin = admin.ModelAdmin[Client]
else:
    ClientModelAdmin = admin.ModelAdmin


class SecretPages(ClientModelAdmin):
    """The pages on which a client gets a secret and loses one.

    A new secret is in the answer to the POST that made it and nowhere else: not in a message, which would lie in
    the session, and not behind a redirect.
    """

    def get_urls(self) -> list[URLPattern]:
        rotate, retire = self.rotate_secret_view, self.retire_secret_view
        return [
            path("<path:object_id>/rotate-secret/", self.admin_site.admin_view(rotate), name="rotate_secret"),
            path("<path:object_id>/retire-secret/", self.admin_site.admin_view(retire), name="retire_secret"),
            *super().get_urls(),
        ]

    def rotate_secret_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client = self._client(request, object_id)
        if request.method != "POST":
            return self._page(request, client, template="rotate_secret", title="Rotate the secret")
        secret = registration.rotate_secret(client)
        self.log_change(request, client, "Rotated the secret.")
        return self._page(request, client, template="secrets", title="The new secret", client_secret=secret)

    def retire_secret_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client = self._client(request, object_id)
        if request.method != "POST":
            return self._page(request, client, template="retire_secret", title="Retire the previous secret")
        if registration.retire_previous_secret(client):
            self.log_change(request, client, "Retired the previous secret.")
            self.message_user(request, "The previous secret is retired; its tokens stopped.", messages.SUCCESS)
        else:
            self.message_user(request, "There was no previous secret.", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:clients_client_change", args=[client.pk]))

    def response_add(self, request: HttpRequest, obj: Client, post_url_continue: str | None = None) -> HttpResponse:
        made = registration.issue_secrets(obj)
        return self._page(
            request,
            obj,
            template="secrets",
            title="The new client's secrets",
            client_secret=made.client_secret,
            webhook_secret=made.webhook_secret,
        )

    def _client(self, request: HttpRequest, object_id: str) -> Client:
        client = self.get_object(request, unquote(object_id))
        if client is None:
            raise Http404
        if not self.has_change_permission(request, client):
            raise PermissionDenied
        return client

    def _page(self, request: HttpRequest, client: Client, *, template: str, **context: Any) -> HttpResponse:
        return TemplateResponse(
            request,
            f"admin/clients/client/{template}.html",
            {**self.admin_site.each_context(request), "opts": self.opts, "original": client, **context},
        )
