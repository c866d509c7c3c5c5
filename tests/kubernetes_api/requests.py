"""A request as the API sees it: which verb on which resource; and the record that is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kubernetes_api.resources import NAMESPACES, Resource, find
from tests.kubernetes_api.status import ApiError


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: Any = None
    peer: str = ""
    """Whom the client's certificate names."""
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    status: int = 0

    @property
    def verb(self) -> str:
        """The verb of RBAC."""
        match self.method:
            case "POST":
                return "create"
            case "PUT":
                return "update"
            case "GET" if not self.name and self.resource:
                return "watch" if self.query.get("watch") in ("true", "1") else "list"
            case "DELETE" if not self.name:
                return "deletecollection"
        return self.method.lower()

    @property
    def plural(self) -> str:
        """The resource of RBAC, with its subresource; empty for other paths such as /version."""
        if self.resource is None:
            return ""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip()

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")


def parsed(method: str, target: str, *, headers: dict[str, str]) -> Request:
    """Raises ApiError 404 for a path that is none of ours."""
    parts = urlsplit(target)
    request = Request(method, parts.path, dict(parse_qsl(parts.query)), headers)
    steps = [unquote(step) for step in parts.path.strip("/").split("/")]
    if steps[0] not in ("api", "apis") or len(steps) < 3:
        return request
    group, version, rest = ("", steps[1], steps[2:]) if steps[0] == "api" else (steps[1], steps[2], steps[3:])
    if len(rest) > 2 and rest[0] == "namespaces":
        request.namespace, rest = rest[1], rest[2:]
    if not rest or (resource := find(group, version, rest[0])) is None or len(rest) > 3:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    request.resource = resource
    request.name, request.subresource = (*rest[1:], "", "")[:2]
    if resource == NAMESPACES:
        request.namespace = ""
    return request
