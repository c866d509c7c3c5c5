"""Sessions, logins and messages: what people need of every request, and who shows a token or a secret of none."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin


class _ForPeople(MiddlewareMixin):
    """Pass by a request to the API that says who asks: it is known by that, or not at all."""

    def __call__(self, request: HttpRequest) -> Any:
        if _says_who_asks(request):
            return self.get_response(request)
        return super().__call__(request)


def _says_who_asks(request: HttpRequest) -> bool:
    scheme = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower()
    return scheme in ("bearer", "basic") and request.path_info.startswith("/api/v1/")


class SessionMiddleware(_ForPeople, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(_ForPeople, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(_ForPeople, messages.MessageMiddleware):
    pass
