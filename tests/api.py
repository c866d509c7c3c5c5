"""The HTTP API as its callers see it: each of them a browser with its own way of saying who it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client as Browser

from clients.registration import Credentials
from pipelines.models import Job
from runners import tokens
from tests.clients.conftest import basic, bearer

ROOT = "/api/v1/"
JSON = "application/json"
PROBLEM = "application/problem+json"


class Api:
    """One caller of the API; paths are relative to /api/v1/ unless they begin with a slash."""

    def __init__(self, headers: Mapping[str, str] | None = None, *, user: User | None = None) -> None:
        self._browser = Browser(raise_request_exception=False)
        self._headers = dict(headers or {})
        if user is not None:
            self._browser.force_login(user)

    def ask(self, method: str, path: str, body: Any = b"", *, content_type: str = JSON, **headers: str) -> Any:
        """Send the request; a body that is not bytes travels as JSON, a keyword `x_y` as the header `X-Y`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._browser.generic(
            method,
            path if path.startswith("/") else ROOT + path,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            content_type=content_type,
            headers=self._headers | sent,
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = b"", *, content_type: str = JSON, **headers: str) -> Any:
        return self.ask("POST", path, body, content_type=content_type, **headers)

    def patch(self, path: str, body: Any = b"", *, content_type: str = JSON) -> Any:
        return self.ask("PATCH", path, body, content_type=content_type)

    def delete(self, path: str) -> Any:
        return self.ask("DELETE", path)


def as_client(made: Credentials) -> Api:
    return Api(basic(made.client_id, made.client_secret))


def as_staff(*permissions: str, username: str = "sam") -> Api:
    """Return a member of staff who holds the permissions, given as `view_job`."""
    user = User.objects.create_user(username, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return Api(user=user)


def as_operator() -> Api:
    return Api(user=User.objects.create_superuser("root"))


def as_runner(token: str) -> Api:
    return Api(bearer(token))


def as_attempt(job: Job) -> Api:
    """Return whoever executes the job's latest attempt."""
    job.refresh_from_db()
    return Api(bearer(tokens.attempt_token(job=job.pk, attempt=job.attempt)))


def problem(answer: Any, status: int) -> dict[str, Any]:
    """See that the answer is an RFC 9457 problem of that status and return its body."""
    assert answer.status_code == status, (answer.status_code, answer.content[:2000])
    assert answer.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"] and body["title"] and body["detail"]
    assert "Traceback" not in answer.text
    return body


def mistakes(answer: Any) -> dict[str, str]:
    """Return what a 400 says is wrong, by pointer."""
    return {error["pointer"]: error["detail"] for error in problem(answer, 400)["errors"]}


def shell(name: str = "one", /, stage: str = "build", **fields: Any) -> dict[str, Any]:
    """Return a job of a document that runs `true`."""
    return {"name": name, "stage": stage, "kind": "Shell", "version": "1.0.0", "params": {"command": "true"}, **fields}


def document(*jobs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a document of these jobs, its stages in the order in which the jobs name them."""
    listed = list(jobs) or [shell()]
    return {"stages": list(dict.fromkeys(job["stage"] for job in listed)), "jobs": listed, **fields}
