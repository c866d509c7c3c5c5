"""What Django REST framework ties together for a request, untied once it is answered."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase


def untying_middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return what has a rendered answer let go of its view and request, and these of each other.

    They refer to one another in circles, so that all of them, and the rows they show, would stay until the garbage
    collector comes: it would be busy with nothing else, and every request would begin in memory that is not at hand.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        context = getattr(response, "renderer_context", None)
        if context and getattr(response, "is_rendered", False):
            context["request"].parser_context = {}
            vars(context["view"]).clear()
            response.renderer_context = {}  # type: ignore[attr-defined]
        return response

    return answer
