"""The API for people: DRF's pages, with forms that bring a body as it was typed and a button for each action.

Imports none of our views or models: DRF's views import this module while they are being imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request, override_method


class BrowsableRenderer(BrowsableAPIRenderer):
    """DRF's browsable API.

    A view may define `raw_form_initial(method, *, data, failed)`, what its raw-data form begins with (None: no
    form), and `clients_to_submit_for()`, from whom staff choose.
    """

    renderer_context: Mapping[str, Any]

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        form = super().get_raw_data_form(data, view, method, request)
        if form is not None and hasattr(view, "raw_form_initial"):
            failed = self.renderer_context["response"].status_code >= 400
            initial = view.raw_form_initial(method, data=data, failed=failed)
            if initial is None:
                return None
            form.initial = initial
        return form

    def get_extra_actions(self, view: Any, status_code: int) -> Any:
        """Return the extra actions that are pages of their own; the others are buttons."""
        posted = _posted(view)
        urls = super().get_extra_actions(view, status_code)
        return {name: url for name, url in urls.items() if name not in posted} if urls else urls

    def get_context(self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]) -> Any:
        context = super().get_context(data, accepted_media_type, renderer_context)
        view, request, response = context["view"], context["request"], context["response"]
        paginator = getattr(view, "paginator", None)
        if getattr(paginator, "has_next", False) or getattr(paginator, "has_previous", False):
            context["paginator"] = paginator
        context["buttons"] = {}
        if getattr(view, "detail", False) and response.status_code in (204, 404):
            # There is nothing there, and nothing to do with it.
            return context | {"display_edit_forms": False, "delete_form": None, "extra_actions": None}
        posted = _posted(view)
        if posted and _may_post(view, request):
            urls = super().get_extra_actions(view, response.status_code) or {}
            context["buttons"] = {name: url for name, url in urls.items() if name in posted}
        if context["raw_data_post_form"] and hasattr(view, "clients_to_submit_for"):
            context["submit_for"] = view.clients_to_submit_for()
            context["submitting_for"] = request.query_params.get("client", "")
        return context


def _posted(view: Any) -> set[str]:
    """Return the names of the view's extra actions on one row that take nothing but a POST."""
    actions = view.get_extra_actions() if getattr(view, "detail", False) else ()
    return {each.kwargs.get("name", each.__name__) for each in actions if each.detail and set(each.mapping) == {"post"}}


def _may_post(view: Any, request: Request) -> bool:
    with override_method(view, request, "POST") as posting:
        try:
            view.check_permissions(posting)
        except APIException:
            return False
    return True
