from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from oauth2_provider.models import AccessToken
from pytest_django import DjangoCaptureOnCommitCallbacks

from clients.models import Client
from clients.registration import (
    Credentials,
    activate,
    deactivate,
    retire_previous_secret,
    rotate_secret,
)
from clients.signals import limits_changed
from clients.tasks import forget_expired


def test_rotation_keeps_the_secret_in_use_as_the_previous_one(owner: Credentials) -> None:
    before = owner.client.client_secret
    new = rotate_secret(owner.client)

    stored = Client.objects.get(pk=owner.client.pk)
    assert (stored.previous_secret, owner.client.previous_secret) == (before, before)
    assert stored.matching_secret(new)
    assert stored.secret_changed_at > stored.created


def test_rotation_reads_the_row_and_not_a_stale_instance(owner: Credentials) -> None:
    stale = Client.objects.get(pk=owner.client.pk)
    Client.objects.filter(pk=stale.pk).update(priority=1)
    second = rotate_secret(owner.client)
    third = rotate_secret(stale)

    stored = Client.objects.get(pk=stale.pk)
    assert stored.priority == 1
    assert stored.matching_secret(second)
    assert stored.matching_secret(third)
    assert not stored.matching_secret(owner.client_secret)


def test_retiring_what_is_not_there_changes_nothing(owner: Credentials) -> None:
    assert not retire_previous_secret(owner.client)
    assert Client.objects.get().matching_secret(owner.client_secret)


@pytest.fixture
def heard() -> Any:
    heard: list[tuple[str, bool]] = []

    def listen(*, client: Client, **_: Any) -> None:
        heard.append((client.name, client.is_active))

    limits_changed.connect(listen)
    yield heard
    limits_changed.disconnect(listen)


def test_activity_is_announced_after_commit(
    owner: Credentials, heard: list[Any], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        deactivate(owner.client)
        assert heard == []
    with django_capture_on_commit_callbacks(execute=True):
        activate(owner.client)
    assert heard == [("owner", False), ("owner", True)]


@pytest.mark.urls("tests.clients.urls")
def test_only_tokens_that_are_over_are_forgotten(owner: Credentials, get_token: Callable[..., str]) -> None:
    get_token(owner)
    AccessToken.objects.update(expires=timezone.now() - timedelta(hours=1, seconds=1))
    get_token(owner)
    forget_expired()
    assert [token.expires > timezone.now() for token in AccessToken.objects.all()] == [True]
