"""Refusals as the API server words them: Status objects."""

from __future__ import annotations

from typing import Any

from tests.kubernetes_api.resources import Resource

Cause = dict[str, str]


class ApiError(Exception):
    """A refusal: HTTP status, reason, message and details of its Status object."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata}
        status |= {"status": "Failure", "message": self.message, "reason": self.reason, "code": self.code}
        details = dict(self.details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        return status | ({"details": details} if details else {})


def _about(resource: Resource, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "kind": resource.plural}
    return details | ({"group": resource.group} if resource.group else {})


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', details=_about(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_about(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_about(resource, name))


def apply_conflict(causes: list[Cause]) -> ApiError:
    several = "conflict" if len(causes) == 1 else "conflicts"
    listed = "".join(f"\n- {cause['message']}: {cause['field']}" for cause in causes)
    if len(causes) == 1:
        listed = f" {causes[0]['message']}: {causes[0]['field']}"
    message = f"Apply failed with {len(causes)} {several}:{listed}"
    return ApiError(409, "Conflict", message, details={"causes": causes})


def invalid(resource: Resource, name: str, causes: list[Cause]) -> ApiError:
    said = [f"{cause['field']}: {cause['message']}" for cause in causes]
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'{kind} "{name}" is invalid: {said[0] if len(said) == 1 else "[" + ", ".join(said) + "]"}'
    details = _about(resource, name) | {"kind": resource.kind, "causes": causes}
    return ApiError(422, "Invalid", message, details=details)


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    about = f'{resource.qualified} "{name}"' if name else resource.qualified
    return ApiError(403, "Forbidden", f"{about} is forbidden: {why}", details=_about(resource, name))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def expired() -> ApiError:
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
        "the results. Continuing with the provided token results in an inconsistent list."
    )
    return ApiError(410, "Expired", message, metadata={"continue": "inconsistent"})
