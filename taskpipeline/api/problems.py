"""Errors as RFC 9457 problems, in one place: what the domain raises, what DRF raises, what nobody foresaw."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from clients.exceptions import ClientError
from pipelines.definition import DocumentErrors, UnsupportedMediaType
from pipelines.exceptions import (
    InvalidTransition,
    KeyInUse,
    KeyReused,
    LimitReached,
    NameTaken,
    NeverFits,
    PipelineError,
)
from runners.exceptions import RunnerBusy, RunnerError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# Said here as well as by the middleware: what the outermost of it refuses, an unknown host, passes none.
_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# The most particular class that fits decides.
_STATUS: dict[type[Exception], int] = {
    DocumentErrors: 400,
    UnsupportedMediaType: 415,
    InvalidTransition: 409,
    NameTaken: 409,
    KeyInUse: 409,
    KeyReused: 422,
    NeverFits: 422,
    RunnerBusy: 409,
    ProtectedError: 409,
    PipelineError: 400,
    RunnerError: 400,
    ClientError: 400,
    OperationalError: 503,
    InterfaceError: 503,
    # A row that was there when the request began, deleted by another meanwhile.
    ObjectDoesNotExist: 404,
    Http404: 404,
    PermissionDenied: 403,
}


@dataclass
class Problem:
    """An error as a client of the API sees it."""

    status: int
    detail: str
    members: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        title = HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.members}


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer DRF's exception hook; None leaves what nobody foresaw to Django, which logs it: see `server_error`."""
    problem = _problem(error)
    if problem is None:
        return None
    set_rollback()
    response = Response(problem.body, status=problem.status, headers=problem.headers)
    request = context["request"]
    if not isinstance(getattr(request, "accepted_renderer", None), BrowsableAPIRenderer):
        # Whatever was asked for, text or YAML, a problem is JSON; the browsable API shows the same in a page.
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        response.content_type = MEDIA_TYPE
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a path that leads nowhere."""
    return plain(Problem(404, "There is nothing at this address."))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer what nobody foresaw, or the database away outside of DRF; the trace is in the log and never leaves."""
    error = sys.exc_info()[1]
    known = _problem(error) if isinstance(error, OperationalError | InterfaceError) else None
    return plain(known or Problem(500, "Something went wrong here; it has been logged."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a request that Django refuses before any view sees it."""
    return plain(Problem(400, "The request is malformed or for another host."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a page that whoever asks may not see."""
    return plain(Problem(403, "You may not do this."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answer a form that came from another site, or from a page of before the last login (CSRF_FAILURE_VIEW)."""
    return plain(Problem(403, f"{reason or 'CSRF verification failed.'} Load the page again, then send its form."))


def plain(problem: Problem) -> HttpResponseBase:
    """Return the response of a view that is none of DRF's."""
    headers = _HARMLESS | problem.headers
    return JsonResponse(problem.body, status=problem.status, content_type=MEDIA_TYPE, headers=headers)


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, exceptions.APIException):
        return _of_drf(error)
    if isinstance(error, LimitReached):
        return _of_limit(error)
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        return None
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database is away", extra={"error": str(error)})
        return Problem(status, "The service's database does not answer; try again.", headers={"Retry-After": "2"})
    return Problem(status, _detail(error, status=status), members=_members(error))


def _detail(error: Exception, *, status: int) -> str:
    if isinstance(error, ProtectedError):
        return "It is still in use and cannot be deleted."
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return "There is no such thing, or it is not yours."
    return str(error) or HTTPStatus(status).phrase


def _members(error: Exception) -> dict[str, Any]:
    if isinstance(error, DocumentErrors):
        errors = [{k: v for k, v in asdict(each).items() if v is not None} for each in error.errors]
        return {"errors": errors} | ({"errors_omitted": error.errors_omitted} if error.errors_omitted else {})
    if isinstance(error, NeverFits):
        return {"scope": error.scope, "limit": error.limit, "requested": error.requested}
    return {}


def _of_limit(error: LimitReached) -> Problem:
    """429: the client is over its share; 503: the service is full."""
    return Problem(
        429 if error.scope == "client" else 503,
        str(error),
        members={"scope": error.scope, "limit": error.limit, "in_use": error.in_use, "requested": error.requested},
        headers={"Retry-After": str(error.retry_after_seconds)},
    )


def _of_drf(error: exceptions.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.detail, pointer=""))
        return Problem(400, "There are mistakes in what was sent, see 'errors'.", {"errors": errors}, headers)
    detail = error.detail if isinstance(error.detail, str) else HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, str(detail), headers=headers)


def _flatten(detail: Any, *, pointer: str) -> Iterator[dict[str, str]]:
    """Turn DRF's nested errors into a list with JSON Pointers (RFC 6901)."""
    if isinstance(detail, Mapping):
        for name, nested in detail.items():
            step = str(name).replace("~", "~0").replace("/", "~1")
            yield from _flatten(nested, pointer=pointer if name == "non_field_errors" else f"{pointer}/{step}")
    elif isinstance(detail, list | tuple):
        for nested in detail:
            yield from _flatten(nested, pointer=pointer)
    else:
        # Names come from the caller and may hold half a surrogate pair, which no answer can carry.
        yield {
            name: text.encode(errors="replace").decode()
            for name, text in (("pointer", pointer), ("detail", str(detail)))
        }
