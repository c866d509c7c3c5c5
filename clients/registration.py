from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from oauth2_provider.models import AccessToken

from clients.exceptions import UnknownRunnerError
from clients.hashers import hash_secret, new_secret
from clients.models import DEFAULT_PRIORITY, Client
from clients.sealing import seal
from clients.signals import limits_changed
from clients.webhooks import new_webhook_secret


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A new client with its secrets in clear: the only time that they are."""

    client: Client
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)


@transaction.atomic
def create_client(
    name: str,
    *,
    priority: int = DEFAULT_PRIORITY,
    queue_size: int | None = None,
    max_ready_jobs: int | None = None,
    runners: Sequence[str] = (),
) -> Credentials:
    """Make a client with new secrets, allowed on the runners named (none named: on all).

    Raises django's ValidationError for bad values, UnknownRunnerError for a runner that does not exist.
    """
    client = Client(name=name.strip(), priority=priority, queue_size=queue_size, max_ready_jobs=max_ready_jobs)
    client.full_clean()
    client.save()
    if runners:
        _allow(client, names=runners)
    return issue_secrets(client)


def issue_secrets(client: Client) -> Credentials:
    """Give a client just made its secrets, in place of those its row began with, which nobody saw."""
    secret, webhook_secret = new_secret(), new_webhook_secret()
    _write(client, client_secret=hash_secret(secret), webhook_secret_sealed=seal(webhook_secret))
    return Credentials(client=client, client_id=client.client_id, client_secret=secret, webhook_secret=webhook_secret)


@transaction.atomic
def rotate_secret(client: Client) -> str:
    """Give a client a new secret and return it; the one it had stays good as the previous one.

    A secret that was the previous one until now is retired: it and the tokens issued with it stop at once.
    """
    held = _lock(client)
    secret = new_secret()
    _write(
        client, client_secret=hash_secret(secret), previous_secret=held.client_secret, secret_changed_at=timezone.now()
    )
    return secret


@transaction.atomic
def retire_previous_secret(client: Client) -> bool:
    """End the previous secret and the tokens issued with it, at once; False if there was none."""
    if not _lock(client).previous_secret:
        return False
    _write(client, previous_secret="")
    return True


def deactivate(client: Client) -> None:
    """Shut a client out: its secrets and tokens stop at once, its waiting jobs are not started."""
    _set_active(client, active=False)


def activate(client: Client) -> None:
    """Let a client in again; it needs new tokens."""
    _set_active(client, active=True)


@transaction.atomic
def _set_active(client: Client, *, active: bool) -> None:
    _lock(client)
    _write(client, is_active=active)
    # Both times: a token that was being issued as the client was shut out must not wake up with it.
    AccessToken.objects.filter(application=client).delete()
    announce_limits(client)


def forget_expired_tokens() -> int:
    """Delete the rows of tokens that have been over for an hour by the database's clock; return how many there were.

    Whether a token is over says the clock of the web process that is shown it, and that may be another.
    """
    return AccessToken.objects.filter(expires__lte=Now() - timedelta(hours=1)).delete()[0]


def announce_limits(client: Client) -> None:
    """Tell whoever listens, after commit, that priority, limits or activity of a client changed."""
    transaction.on_commit(partial(limits_changed.send, sender=Client, client=client))


def _lock(client: Client) -> Client:
    return Client.objects.select_for_update(no_key=True).get(pk=client.pk)


def _write(client: Client, **values: Any) -> None:
    """Update these columns alone, in the row and in the instance at hand, which may be stale in others."""
    Client.objects.filter(pk=client.pk).update(**values, updated=timezone.now())
    for name, value in values.items():
        setattr(client, name, value)


def _allow(client: Client, *, names: Sequence[str]) -> None:
    # The relation is the runners' own, which this app may not import.
    known = {runner.name: runner for runner in client.runners.model._default_manager.all()}
    unknown = sorted(set(names) - set(known))
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        raise UnknownRunnerError(f"There is no runner named {', '.join(unknown)}. There are: {there}.")
    client.runners.set([known[name] for name in names])
