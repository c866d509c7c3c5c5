"""How workers show who they are: a runner by its token, or by one that is good for a single attempt."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from clients import rows
from runners import tokens
from runners.models import Attempt, Runner


class RunnerPrincipal:
    """The runner that reports; it may do nothing else."""

    is_authenticated = True
    is_staff = False

    def __init__(self, runner: Runner) -> None:
        self.runner = runner


class AttemptPrincipal:
    """Whoever executes this one attempt."""

    is_authenticated = True
    is_staff = False

    def __init__(self, *, job: int, attempt: int) -> None:
        self.key = (job, attempt)


class _Bearer(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, None]:
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        principal = self.principal(token.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise AuthenticationFailed("The token is missing, wrong or no longer good.")
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="reports"'

    def principal(self, token: str) -> Any:
        raise NotImplementedError


class RunnerTokenAuthentication(_Bearer):
    """Authenticate a runner by its token. One query."""

    def principal(self, token: str) -> RunnerPrincipal | None:
        if not token:
            return None
        statement = "SELECT {columns} FROM runners_runner WHERE token_digest = %s"
        found = rows.read(Runner, statement, [tokens.digest(token)])
        return RunnerPrincipal(found[0]) if found else None


class AttemptTokenAuthentication(_Bearer):
    """Authenticate by an attempt's token, good as long as the attempt's row exists. One query."""

    def principal(self, token: str) -> AttemptPrincipal | None:
        key = tokens.read_attempt_token(token)
        if key is None or not Attempt.objects.filter(job=key[0], number=key[1]).exists():
            return None
        return AttemptPrincipal(job=key[0], attempt=key[1])


class IsWorker(BasePermission):
    """Let in whom the view's own authentication knows."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.user.is_authenticated


class RunnerTokenScheme(OpenApiAuthenticationExtension):
    target_class = RunnerTokenAuthentication
    name = "runnerToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A runner's own token."}


class AttemptTokenScheme(OpenApiAuthenticationExtension):
    target_class = AttemptTokenAuthentication
    name = "attemptToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "The token of an execute request, for its attempt."}
