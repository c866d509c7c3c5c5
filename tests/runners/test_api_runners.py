from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from clients.registration import create_client
from pipelines import clock
from runners.models import Runner
from tests.api import Api, as_operator, as_runner, mistakes, problem
from tests.recorder import Recorder
from tests.scenes import a_client, a_pipeline, a_runner, claim_all, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(db: None) -> Api:
    return as_operator()


def test_the_token_is_shown_when_a_runner_is_made_and_never_again(api: Api) -> None:
    client = create_client("alice")
    sent = {"name": "build-1", "capacity": 3, "kinds": ["Shell"], "clients": [client.client_id]}
    answer = api.post("runners/", sent)
    assert answer.status_code == 201
    body = answer.json()
    token = body.pop("token")
    assert {name: body[name] for name in sent} == sent
    assert (body["type"], body["in_use"], body["online"], body["paused"]) == ("server", 0, False, False)
    assert as_runner(token).post("reports/", {"reports": []}).status_code == 200
    path = f"runners/{body['id']}/"
    for shown in (
        api.get(path),
        api.get("runners/"),
        api.patch(path, {"capacity": 4}),
        api.get(path, Accept="text/html"),
    ):
        assert shown.status_code == 200
        assert token not in shown.text
        assert Runner.objects.get().token_digest not in shown.text


def test_a_name_is_enough(api: Api) -> None:
    body = api.post("runners/", {"name": "local"}).json()
    assert (body["type"], body["capacity"], body["kinds"], body["clients"]) == ("server", 16, [], [])
    assert body["accepted_kinds"] == ["Shell"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"), ({"name": "a b"}, "/name"), ({"name": "x" * 64}, "/name"), ({"name": None}, "/name"),
        ({"name": "taken"}, "/name"), ({"name": "\ud800"}, "/name"), ({"capacity": -1}, "/capacity"),
        ({"capacity": 10**12}, "/capacity"), ({"capacity": "many"}, "/capacity"), ({"type": "pigeon"}, "/type"),
        ({"kinds": "Shell"}, "/kinds"), ({"kinds": ["a\0"]}, "/kinds/0"), ({"clients": ["nobody"]}, "/clients"),
        ({"clients": ["\0"]}, "/clients"), ({"clients": [7]}, "/clients"),
        ({"capcity": 3}, "/capcity"), ({"\ud800": 3}, "/?"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told(change: dict[str, Any], pointer: str, api: Api) -> None:
    a_runner("taken")
    assert mistakes(api.post("runners/", {"name": "new", **change})).keys() == {pointer}
    assert Runner.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [({"type": "http"}, "http"), ({"kinds": ["Nope"]}, "Nope"), ({"kinds": ["K8S/Job"]}, "K8S/Job")],
)
def test_what_no_executor_can_do_is_told(change: dict[str, Any], named: str, api: Api) -> None:
    assert named in problem(api.post("runners/", {"name": "new", **change}), 400)["detail"]
    assert not Runner.objects.exists()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b"{", b"\xff", b"[" * 100_000, b'{"name":' * 100_000, b'{"name":NaN}']
)
def test_a_hostile_body_is_told(body: bytes, api: Api) -> None:
    runner = a_runner()
    for path in ("runners/", f"runners/{runner.pk}/pause/"):
        answer = api.post(path, body)
        assert answer.status_code == 400 or (path != "runners/" and body == b"")
    problem(api.post("runners/", b'{"name": "' + b"x" * (5 << 20) + b'"}'), 413)


def test_name_and_type_stay(api: Api) -> None:
    path = f"runners/{a_runner().pk}/"
    assert mistakes(api.patch(path, {"name": "other"})).keys() == {"/name"}
    assert mistakes(api.patch(path, {"type": "http"})).keys() == {"/type"}
    shown = api.patch(path, {"name": "local", "type": "server", "capacity": 0, "kinds": ["Shell"]}).json()
    assert (shown["name"], shown["capacity"], shown["kinds"]) == ("local", 0, ["Shell"])
    problem(api.patch(path, {"kinds": ["Nope"]}), 400)
    problem(api.ask("PUT", path, {"name": "local"}), 405)


def test_a_runner_is_paused_and_resumed_with_a_note(api: Api) -> None:
    runner = a_runner()
    paused = api.post(f"runners/{runner.pk}/pause/", {"note": "new disk"}).json()
    assert (paused["paused"], paused["pause_note"], bool(paused["paused_at"])) == (True, "new disk", True)
    a_pipeline(a_client(), {"build": ["a"]})
    assert claim_all() == []
    resumed = api.post(f"runners/{runner.pk}/resume/").json()
    assert (resumed["paused"], resumed["pause_note"], resumed["paused_at"]) == (False, "", None)
    assert len(claim_all()) == 1


def test_a_note_is_optional_and_bounded(api: Api) -> None:
    path = f"runners/{a_runner().pk}/pause/"
    assert api.post(path).json()["pause_note"] == ""
    for note in ("x" * 256, "\0", 7.5, ["a"]):
        answer = api.post(path, {"note": note})
        assert answer.status_code == (200 if note == 7.5 else 400)


def test_a_runner_is_drained(api: Api, told: Recorder) -> None:
    runner = a_runner()
    drained = api.post(f"runners/{runner.pk}/drain/", {"note": "goes"}).json()
    assert (drained["paused"], drained["pause_note"], bool(drained["draining_since"])) == (True, "goes", True)
    assert told.drained == ["local"]
    assert api.post(f"runners/{runner.pk}/resume/").json()["draining_since"] is None


def test_a_busy_runner_is_not_deleted(api: Api) -> None:
    runner = a_runner()
    a_pipeline(a_client(), {"build": ["a"]})
    (job,) = claim_all()
    assert "1 live" in problem(api.delete(f"runners/{runner.pk}/"), 409)["detail"]
    run(job)
    assert api.delete(f"runners/{runner.pk}/").status_code == 204
    attempts = api.get(f"jobs/{job.pk}/attempts/").json()["results"]
    assert [each["runner"] for each in attempts] == ["local"]


def test_use_and_presence_are_shown(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    a_runner("first", capacity=2)
    away = a_runner("away")
    Runner.objects.filter(pk=away.pk).update(seen_at=clock.now() - timedelta(minutes=5))
    a_pipeline(a_client(), {"build": ["a", "b"]})
    claim_all()
    rows = {row["name"]: row for row in api.get("runners/").json()["results"]}
    assert [(row["in_use"], row["online"]) for row in (rows["first"], rows["away"])] == [(2, True), (0, False)]
    with django_assert_num_queries(5):  # session, user, clock, runners, clients
        api.get("runners/")
