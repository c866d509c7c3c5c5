"""What the admins of pipelines and jobs share: rows that change only through the operations, never by `save()`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from pipelines.exceptions import PipelineError

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

_ID_DIGITS = 18


class OperationAdmin(AnyModelAdmin):
    """Rows are shown, and changed by an operation that may refuse: what it says then becomes a message.

    Nothing is added, and nothing is saved as a whole: an instance is older than the row by the time it is written.
    """

    refusals: tuple[type[Exception], ...] = (PipelineError,)
    changeable_states: Collection[str] = ()
    view_on_site = False
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    search_fields = ("name",)
    search_help_text = "A part of the name, or an id."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Offer no edit that would be refused; one sent from a page opened earlier is the operation's to refuse."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or request.method == "POST" or obj.state in self.changeable_states)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        match = Q(name__icontains=term)
        if term.isascii() and term.isdecimal() and len(term) <= _ID_DIGITS:
            match |= Q(pk=int(term))
        return queryset.filter(match), False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        view = super().changeform_view
        return self.or_message(request, lambda: view(request, object_id, form_url, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        view = super().delete_view
        return self.or_message(request, lambda: view(request, object_id, extra_context))

    def or_message(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """Return what the view answers; if the operation refuses, say why and show the page as things now are."""
        try:
            return view()
        except self.refusals as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


def changes(form: forms.ModelForm[Any]) -> dict[str, Any]:
    """Return what the operator changed, and nothing that was only on the page."""
    return {name: form.cleaned_data[name] for name in form.changed_data}
