"""What a first start makes: an operator, a client to try the service with, the runner `local`."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from clients.models import Client
from clients.registration import create_client, rotate_secret
from runners import tokens
from runners.models import Runner
from runners.registration import create_runner, rotate_token
from taskpipeline.stack.programs import CLIENT, OPERATOR


@dataclass(frozen=True, slots=True)
class Secret:
    """Somebody just made, and the secret in clear."""

    name: str
    secret: str = field(repr=False)


def ensure_operator() -> Secret | None:
    """Make the operator's login, unless somebody can administer already; return it if it was made."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(OPERATOR, password=password)
    return Secret(OPERATOR, password)


def ensure_client(file: Path) -> None:
    """Make the client `demo`, its id and secret kept in the file.

    A client whose secret the file does not know gets another: the one it had stays good as its previous one.
    """
    client = Client.objects.filter(name=CLIENT).first()
    if client is None:
        made = create_client(CLIENT)
        found = Secret(made.client_id, made.client_secret)
    elif client.matching_secret(str(_kept(file).get("client_secret", ""))):
        return
    else:
        found = Secret(client.client_id, rotate_secret(client))
    _keep(file, json.dumps({"client_id": found.name, "client_secret": found.secret, "shown": False}) + "\n")


def client_to_show(file: Path) -> Secret | None:
    """Return the client's id and secret if they have never been shown, and note that now they are."""
    kept = _kept(file)
    if kept.get("shown", True):
        return None
    _keep(file, json.dumps(kept | {"shown": True}) + "\n")
    return Secret(kept["client_id"], kept["client_secret"])


def ensure_runner(name: str, *, capacity: int | None, file: Path) -> None:
    """Make the server runner and keep its token in the file; a capacity that is named holds for one there is too."""
    runner = Runner.objects.filter(name=name).first()
    if runner is None:
        made = create_runner(name) if capacity is None else create_runner(name, capacity=capacity)
        _keep(file, made.token)
        return
    if capacity is not None and runner.capacity != capacity:
        Runner.objects.filter(pk=runner.pk).update(capacity=capacity)
    if not file.exists() or tokens.digest(file.read_text().strip()) != runner.token_digest:
        _keep(file, rotate_token(runner))


def _kept(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _keep(file: Path, content: str) -> None:
    """Write a secret for the owner's eyes only, whole or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(content)
    partial.replace(file)
