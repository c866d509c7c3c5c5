"""What django-oauth-toolkit is told of this service: client credentials, two secrets a client, nothing else."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator

from clients.credentials import Presented, parse_basic, verify

PARAMETERS = frozenset({"grant_type", "scope", "client_id", "client_secret", "token", "token_type_hint"})


class FormRequests(OAuthLibCore):
    """Hand oauthlib the parameters of RFC 6749 and RFC 7009 and the Authorization header; ignore whatever else came.

    oauthlib keeps all parameters as attributes of its request, beside those that it sets itself (`user`, `client`).
    """

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in request.POST.items() if name in PARAMETERS]

    def extract_headers(self, request: HttpRequest) -> dict[str, str]:
        authorization = request.headers.get("Authorization")
        return {"Authorization": authorization} if authorization else {}


class ClientValidator(OAuth2Validator):
    """Authenticate clients for the token and revocation endpoints, as the API does."""

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        presented = _presented(request)
        verified = verify(presented) if presented else None
        if verified is None:
            return False
        request.client = verified.client
        request.issued_with = verified.issued_with
        return True


def _presented(request: Any) -> Presented | None:
    """Return the header's credentials, or else the body's; None if both name a client and not the same."""
    header = request.headers.get("Authorization")
    if header is None:
        return Presented(client_id=request.client_id or "", secret=request.client_secret or "")
    presented = parse_basic(header)
    if presented is None or request.client_id not in (None, "", presented.client_id):
        return None
    return presented
