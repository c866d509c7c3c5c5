from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from clients.models import Client
from runners import tokens
from runners.models import Runner
from taskpipeline.stack.seeding import client_to_show, ensure_client, ensure_operator, ensure_runner

pytestmark = pytest.mark.django_db


def test_an_operator_is_made_once() -> None:
    made = ensure_operator()

    assert made
    operator = User.objects.get(username=made.name)
    assert operator.is_superuser
    assert operator.check_password(made.secret)
    assert ensure_operator() is None
    assert made.secret not in repr(made)


def test_nobody_is_added_to_the_operators_there_are() -> None:
    User.objects.create_superuser("somebody")

    assert ensure_operator() is None
    assert User.objects.count() == 1


def test_the_client_is_made_once_and_shown_once(tmp_path: Path) -> None:
    file = tmp_path / "clients" / "demo.json"
    ensure_client(file)
    kept = json.loads(file.read_text())
    ensure_client(file)

    shown = client_to_show(file)

    assert shown
    assert (shown.name, shown.secret) == (kept["client_id"], kept["client_secret"])
    assert client_to_show(file) is None
    assert Client.objects.get().matching_secret(shown.secret)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, "not json", '{"client_secret": "of somebody else"}'])
def test_a_client_whose_secret_was_lost_gets_another(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "demo.json"
    ensure_client(file)
    lost = client_to_show(file)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)

    ensure_client(file)

    found = client_to_show(file)
    assert lost
    assert found
    assert found.secret != lost.secret
    client = Client.objects.get()
    assert client.matching_secret(found.secret)
    assert client.matching_secret(lost.secret)  # the previous one is good until it is retired


def test_the_runners_token_is_kept_and_replaced_only_when_lost(tmp_path: Path) -> None:
    file = tmp_path / "runners" / "local.token"
    ensure_runner("local", capacity=None, file=file)
    token = file.read_text()
    ensure_runner("local", capacity=None, file=file)

    assert file.read_text() == token
    assert Runner.objects.get().token_digest == tokens.digest(token)
    assert Runner.objects.get().capacity == 16
    assert file.stat().st_mode & 0o777 == 0o600

    file.write_text("another")
    ensure_runner("local", capacity=None, file=file)

    assert Runner.objects.get().token_digest == tokens.digest(file.read_text())


def test_a_capacity_that_is_named_holds_and_one_that_is_not_leaves_the_operators(tmp_path: Path) -> None:
    file = tmp_path / "local.token"
    ensure_runner("local", capacity=3, file=file)
    assert Runner.objects.get().capacity == 3

    ensure_runner("local", capacity=None, file=file)
    assert Runner.objects.get().capacity == 3

    ensure_runner("local", capacity=5, file=file)
    assert Runner.objects.get().capacity == 5
