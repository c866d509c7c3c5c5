"""Cancel in the admin: a button on a row's page and an action on a list, both with a page that asks first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import get_text_list

from pipelines import clock
from pipelines.admin.operating import OperationAdmin
from pipelines.exceptions import InvalidTransition
from pipelines.models import Job
from pipelines.states import UNFINISHED, State

# Each is a transaction of its own, and all are one request.
AT_ONCE = 500
_NAMED = 10


class CancellingAdmin(OperationAdmin):
    actions = ("cancel_selected",)

    def cancel_one(self, row: Any, *, now: datetime) -> Any:
        """Cancel the row and return it as it then stands; raise InvalidTransition if it has ended."""
        raise NotImplementedError

    def jobs_of(self, ids: Sequence[int]) -> QuerySet[Job]:
        """Return the jobs that a cancel of these rows is about."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cancel_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_cancel"
        return [path("<path:object_id>/cancel/", view, name=name), *super().get_urls()]

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_change_permission(request):
            raise PermissionDenied
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
        if request.method != "POST":
            return self._confirmation(request, [row.pk], back=back)
        self._cancel(request, [row.pk])
        return HttpResponseRedirect(back)

    @admin.action(description="Cancel selected %(verbose_name_plural)s", permissions=["change"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        if "confirmed" in request.POST:
            # Those that were asked about, though some may have left the list's filter since.
            queryset = self.get_queryset(request).filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        else:
            queryset = queryset.filter(state__in=UNFINISHED)
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: AT_ONCE + 1])
        if len(ids) > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE} can be cancelled at once; select fewer.", messages.ERROR)
            return None
        if ids and "confirmed" not in request.POST:
            return self._confirmation(request, ids, back=request.get_full_path(), action="cancel_selected")
        self._cancel(request, ids)
        return None

    def _confirmation(self, request: HttpRequest, ids: Sequence[int], *, back: str, action: str = "") -> HttpResponse:
        rows = self.model._default_manager.filter(pk__in=ids, state__in=UNFINISHED)
        jobs = self.jobs_of(ids).aggregate(
            waiting=Count("pk", filter=Q(state=State.READY)), running=Count("pk", filter=Q(state=State.IN_PROGRESS))
        )
        return TemplateResponse(
            request,
            f"admin/{self.opts.app_label}/{self.opts.model_name}/cancel.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Cancel",
                "ids": ids,
                "named": rows.order_by("pk")[:_NAMED],
                "unnamed": max(len(ids) - _NAMED, 0),
                **jobs,
                "action": action,
                "action_checkbox_name": ACTION_CHECKBOX_NAME,
                "back": back,
            },
        )

    def _cancel(self, request: HttpRequest, ids: Sequence[int]) -> None:
        now = clock.now()
        counts = dict.fromkeys(("cancelled", "being stopped", "had ended already"), 0)
        for row in self.model._default_manager.filter(pk__in=ids).order_by("pk"):
            try:
                row = self.cancel_one(row, now=now)
            except InvalidTransition:
                counts["had ended already"] += 1
                continue
            counts["cancelled" if row.state == State.CANCELLED else "being stopped"] += 1
            self.log_change(request, row, "Cancelled.")
        told = [f"{count} {what}" for what, count in counts.items() if count]
        level = messages.WARNING if counts["had ended already"] or not told else messages.SUCCESS
        outcome = get_text_list(told, "and") or "none left to cancel"
        self.message_user(request, f"{str(self.opts.verbose_name_plural).capitalize()}: {outcome}.", level)
