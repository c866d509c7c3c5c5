"""A kind with secret params: no built-in one has any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import Field

from pipelines import kinds
from pipelines.kinds import Kind, Params

NAME = "Login"
Secret = Annotated[str, Field(json_schema_extra={"x-secret": True})]


class Account(Params):
    user: str
    password: Secret


class LoginParams(Params):
    host: str
    token: Secret | None = None
    accounts: list[Account] = []
    headers: dict[str, Secret] = {}
    key: Annotated[dict[str, Any], Field(json_schema_extra={"x-secret": True})] = {}


class Login(Kind):
    name = NAME
    version = "1.0.0"
    runner_type = "server"
    summary = "Log in."
    params_model = LoginParams
    example: ClassVar[Any] = {"host": "here"}


@contextmanager
def registered(kind: type[Kind] = Login) -> Iterator[None]:
    """Have the service know the kind for a while."""
    kinds.register(kind)
    try:
        yield
    finally:
        registry = kinds.registry
        del registry._kinds[kind.name]
        registry._resolved.cache_clear()
        registry._found.cache_clear()


PARAMS: dict[str, Any] = {
    "host": "here",
    "token": "hunter2-token",
    "accounts": [{"user": "alice", "password": "hunter2-alice"}, {"user": "bob", "password": "hunter2-bob"}],
    "headers": {"X-Key": "hunter2-header"},
    "key": {"pin": 1234567, "parts": ["hunter2-part"]},
}
SHOWN: dict[str, Any] = {
    "host": "here",
    "token": "***",
    "accounts": [{"user": "alice", "password": "***"}, {"user": "bob", "password": "***"}],
    "headers": {"X-Key": "***"},
    "key": "***",
}
TEXTS = {"hunter2-token", "hunter2-alice", "hunter2-bob", "hunter2-header", "1234567", "hunter2-part"}


def login(name: str = "one", **changes: Any) -> dict[str, Any]:
    """Return a job of a document."""
    fields = {"stage": "build", "kind": NAME, "version": "1.0.0", "params": PARAMS | changes}
    return {"name": name, **fields}
