from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from pytest_django import Settings

from clients import vault
from clients.models import Client, NamedSecret
from clients.sealing import resealed, seal
from runners.models import Cluster
from taskpipeline.management.commands.reseal import SEALED
from tests.clusters import TOKEN, a_kubernetes_runner
from tests.scenes import a_client

pytestmark = pytest.mark.django_db

VALUE = "correct horse battery staple"


def reseal() -> dict[str, Any]:
    out = io.StringIO()
    call_command("reseal", "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return answer


def test_it_knows_every_column_that_is_sealed() -> None:
    columns = {
        (model, field.name)
        for app in ("clients", "pipelines", "runners")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.get_fields()
        if "sealed" in field.name
    }
    assert columns == set(SEALED)


def test_what_an_old_key_sealed_is_read_without_it_afterwards(settings: Settings) -> None:
    client = a_client()
    vault.put(client, name="TOKEN", value=VALUE)
    a_kubernetes_runner()
    signed_with = client.webhook_secret
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key"
    assert reseal() == {"resealed": 3, "unreadable": []}
    settings.SECRET_KEY_FALLBACKS = []
    assert Client.objects.get().webhook_secret == signed_with
    assert vault.reveal([(client.pk, "TOKEN")]) == {(client.pk, "TOKEN"): VALUE}
    assert TOKEN in Cluster.objects.get().connection
    assert reseal() == {"resealed": 0, "unreadable": []}


def test_what_cannot_be_read_is_told_and_the_rest_is_done(settings: Settings) -> None:
    vault.put(a_client(), name="TOKEN", value=VALUE)
    NamedSecret.objects.update(sealed_value="gAAAA")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key"
    with pytest.raises(CommandError, match=f"named secret {NamedSecret.objects.get().pk}"):
        reseal()
    settings.SECRET_KEY_FALLBACKS = []
    assert Client.objects.get().webhook_secret


def test_sealing_again_changes_only_what_another_key_sealed(settings: Settings) -> None:
    sealed = seal(VALUE)
    assert resealed(sealed) == sealed
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key"
    assert resealed(sealed) != sealed
