from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from oauth2_provider.oauth2_backends import OAuthLibCore, get_oauthlib_core

from clients.credentials import REALM

Answer = tuple[str | None, dict[str, str], str, int]  # location, headers, body, status
MAX_FORM_BYTES = 16 * 2**10


@method_decorator([csrf_exempt, sensitive_post_parameters("client_secret", "token")], name="dispatch")
class ProviderView(View):
    """One endpoint of the OAuth provider; oauthlib decides, this turns its answer into a response."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        # Before anything reads the body: whoever asks here has yet to say who they are.
        length = request.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > MAX_FORM_BYTES:
            body, status = _invalid_request("The request is too large."), 413
        elif any(len(values) > 1 for _, values in request.POST.lists()):
            body, status = _invalid_request("A parameter was sent more than once."), 400
        else:
            _, _, body, status = self.answer(get_oauthlib_core(), request)
        response = HttpResponse(body, status=status, content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        response.headers["Pragma"] = "no-cache"
        if status == 401:
            # RFC 6749, 5.2: the scheme that clients authenticate with here, which oauthlib says is Bearer.
            response.headers["WWW-Authenticate"] = f'Basic realm="{REALM}"'
        return response

    def answer(self, core: OAuthLibCore, request: HttpRequest) -> Answer:
        raise NotImplementedError


def _invalid_request(description: str) -> str:
    return json.dumps({"error": "invalid_request", "error_description": description})


class TokenView(ProviderView):
    """Issue an access token (RFC 6749, 4.4)."""

    def answer(self, core: OAuthLibCore, request: HttpRequest) -> Answer:
        answer: Answer = core.create_token_response(request)
        return answer


class RevokeTokenView(ProviderView):
    """End an access token of the client that asks (RFC 7009)."""

    def answer(self, core: OAuthLibCore, request: HttpRequest) -> Answer:
        answer: Answer = core.create_revocation_response(request)
        return answer
