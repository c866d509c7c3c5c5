from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Model
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from clients.principals import requesting_client

if TYPE_CHECKING:
    # DRF's views import this module, by name from the settings, while they are being imported.
    from rest_framework.views import APIView

VERBS = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}


class IsStaff(BasePermission):
    """Let in staff that hold the model permission for what they ask.

    The model is that of the view's `queryset` (or of what `get_queryset` gives); a view of no model asks only
    for staff. GET, HEAD and OPTIONS need `view`, PUT and PATCH `change`, DELETE `delete`, POST `add`, but a POST
    to one object (`cancel/`, `pause/`) `change`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        if not user.is_staff:
            self.message = "This is for staff."
            return False
        model = _model_of(view)
        if model is None:
            return True
        verb = VERBS.get(request.method or "", "view")
        if verb == "add" and getattr(view, "detail", False):
            verb = "change"
        permission = f"{model._meta.app_label}.{verb}_{model._meta.model_name}"
        self.message = f"This needs the permission {permission}."
        return user.has_perm(permission)


class IsClientOrStaff(IsStaff):
    """Let in clients, for what belongs to them (the view's queryset sees to that), and staff as IsStaff does."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if requesting_client(request):
            return True
        allowed = super().has_permission(request, view)
        if not allowed and request.user.is_authenticated and not request.user.is_staff:
            self.message = "This is for clients and staff; your account is neither."
        return allowed


def _model_of(view: APIView) -> type[Model] | None:
    queryset = getattr(view, "queryset", None)
    if queryset is None and hasattr(view, "get_queryset"):
        queryset = view.get_queryset()
    return None if queryset is None else queryset.model
