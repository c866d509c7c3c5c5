from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.settings import oauth2_settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from clients import rows
from clients.credentials import REALM, parse_basic, verify
from clients.models import Client
from clients.tokens import token_checksum


class ClientAuthentication(BaseAuthentication):
    """What both ways of a client have in common: the challenge of a 401."""

    def authenticate_header(self, request: Request) -> str:
        # Never Basic, which would have browsers ask people for a client's id and secret.
        error = ', error="invalid_token"' if _scheme(request) == "bearer" else ""
        return f'Bearer realm="{REALM}"{error}'


# Raw SQL: asked with every request, and Django takes longer to build it than PostgreSQL to answer it.
_BEARER = """
SELECT {columns} FROM oauth2_provider_accesstoken AS token
JOIN clients_client ON clients_client.id = token.application_id
WHERE token.token_checksum = %s AND token.expires > %s
"""


class BearerAuthentication(ClientAuthentication):
    """Authenticate a client by an access token in the Authorization header, and nowhere else. One query."""

    def authenticate(self, request: Request) -> tuple[Client, str] | None:
        if _scheme(request) != "bearer":
            return None
        token = request.headers["Authorization"].partition(" ")[2].strip()
        checksum = token_checksum(token)
        client = next(iter(rows.read(Client, _BEARER, [checksum, timezone.now()])), None)
        if client is None or not client.honours(token):
            raise AuthenticationFailed("The access token is unknown, expired or revoked.")
        return client, checksum


class ClientBasicAuthentication(ClientAuthentication):
    """Authenticate a client by its id and secret. One query."""

    def authenticate(self, request: Request) -> tuple[Client, None] | None:
        if _scheme(request) != "basic":
            return None
        presented = parse_basic(request.headers["Authorization"])
        verified = verify(presented) if presented else None
        if verified is None:
            raise AuthenticationFailed("The client's id or secret is wrong, or the client is inactive.")
        return verified.client, None


def _scheme(request: Request) -> str:
    return request.headers.get("Authorization", "").partition(" ")[0].lower()


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "clientCredentials"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        flow = {"tokenUrl": reverse("clients:token"), "scopes": oauth2_settings.SCOPES}
        return {
            "type": "oauth2",
            "description": "An access token for a client's id and secret; it lives an hour.",
            "flows": {"clientCredentials": flow},
        }


class ClientBasicScheme(OpenApiAuthenticationExtension):
    target_class = ClientBasicAuthentication
    name = "clientSecret"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "basic", "description": "A client's id and secret."}
