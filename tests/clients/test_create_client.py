from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clients.models import Client
from runners.models import Runner

pytestmark = pytest.mark.django_db


def run(*args: str) -> str:
    out = StringIO()
    call_command("create_client", *args, stdout=out)
    return out.getvalue()


def test_json_is_the_last_line_and_its_secrets_are_the_client_s() -> None:
    out = run("acme", "--priority", "3", "--queue-size", "0", "--max-ready-jobs", "7", "--json")

    shown = json.loads(out.splitlines()[-1])
    assert list(shown) == ["client_id", "client_secret", "webhook_secret"]
    client = Client.objects.get(client_id=shown["client_id"])
    assert (client.name, client.priority, client.queue_size, client.max_ready_jobs) == ("acme", 3, 0, 7)
    assert client.matching_secret(shown["client_secret"])
    assert client.webhook_secret == shown["webhook_secret"]


def test_people_see_each_secret_once() -> None:
    out = run("acme")
    client = Client.objects.get()
    assert client.client_id in out
    assert out.count(client.webhook_secret) == 1
    shown = out.split("client_secret")[1].split()[0]
    assert out.count(shown) == 1
    assert client.matching_secret(shown)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["acme", "--priority", "-1"], "priority: Ensure this value is greater than or equal to 0."),
        (["acme", "--priority", "32768"], "priority: Ensure this value is less than or equal to 32767."),
        (["acme", "--priority", "high"], "priority: “high” value must be an integer."),
        (["acme", "--queue-size", "-1"], "queue_size: Ensure this value is greater than or equal to 0."),
        (["acme", "--max-ready-jobs", "1.5"], "max_ready_jobs: “1.5” value must be an integer."),
        ([""], "name: This field cannot be blank."),
        (["a\nb"], "name: A name has no control characters."),
        (["taken"], "name: Client with this Name already exists."),
        (["acme", "--runner", "nowhere"], "There is no runner named nowhere. There are: local."),
    ],
)
def test_bad_input_is_one_clear_line_and_makes_nothing(args: list[str], told: str) -> None:
    Client.objects.create(name="taken")
    Runner.objects.create(name="local")
    with pytest.raises(CommandError) as caught:
        run(*args)
    assert str(caught.value) == told
    assert Client.objects.count() == 1


def test_it_allows_the_runners_named() -> None:
    for name in ("a", "b", "c"):
        Runner.objects.create(name=name)
    run("acme", "--runner", "a", "b")
    run("other", "--runner", "a", "--runner", "c")
    allowed = {client.name: sorted(runner.name for runner in client.runners.all()) for client in Client.objects.all()}
    assert allowed == {"acme": ["a", "b"], "other": ["a", "c"]}
