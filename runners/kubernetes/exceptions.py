"""What a cluster's API can answer that is not what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from runners.exceptions import InvalidRunner, RunnerError


class InvalidConnection(InvalidRunner):
    """The way to a cluster's API is refused; the message says what to change."""


class ClusterError(RunnerError):
    """The API server refused, or its answer made no sense.

    `reason` is ours and typed, the same for each class; `status` is the HTTP status if there was an answer;
    `is_told` whether the answer was the Status object of an API server, and not the page of something in between;
    `api_reason` the `reason` of the answer's Status object; `what` the resource that it is about (`namespaces`,
    `jobs`, ...; empty if it did not say); `causes` its `details.causes`; `retry_after_seconds` when the server said
    when to come back.
    """

    default_reason: ClassVar[str] = "api_error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        is_told: bool = False,
        api_reason: str = "",
        what: str = "",
        causes: Sequence[Mapping[str, str]] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = self.default_reason
        self.status = status
        self.is_told = is_told
        self.api_reason = api_reason
        self.what = what
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds


class CredentialsUnreadable(ClusterError):
    """Nobody was asked: what is kept of the connection cannot be read, or not be used, any more."""

    default_reason = "credentials_unreadable"


class Unreachable(ClusterError):
    """No answer: the address, the network, TLS, or a timeout. What was asked for may have been done."""

    default_reason = "unreachable"


class BadRequest(ClusterError):
    """400: the request makes no sense to the server as things stand."""

    default_reason = "bad_request"


class Unauthorized(ClusterError):
    """401: the credentials are not (or no longer) accepted."""

    default_reason = "unauthorized"


class Forbidden(ClusterError):
    """403: the credentials may not do this; also what quotas and admission refuse."""

    default_reason = "forbidden"


class NotFound(ClusterError):
    """404: `what` says whether it is the object or its namespace that is missing."""

    default_reason = "not_found"


class Conflict(ClusterError):
    """409: another field manager owns the field, or the object changed meanwhile."""

    default_reason = "conflict"


class AlreadyThere(Conflict):
    """409 on creation: an object of that name exists."""

    default_reason = "already_exists"


class Gone(ClusterError):
    """410: the list's continuation is no longer kept."""

    default_reason = "gone"


class Invalid(ClusterError):
    """422: the object breaks a rule; the causes say which."""

    default_reason = "invalid"


class TooManyRequests(ClusterError):
    """429: the server asks to be left alone for a while."""

    default_reason = "too_many_requests"


class ServerFault(ClusterError):
    """5xx, or an answer that is not one of a Kubernetes API server."""

    default_reason = "server_fault"
