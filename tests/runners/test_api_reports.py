from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from clients.registration import create_client
from pipelines import clock
from pipelines.models import Job
from runners.models import Runner
from runners.registration import create_runner
from runners.reports import MAX_BYTES, MAX_ITEMS
from tests.api import Api, as_attempt, as_client, as_runner, problem
from tests.scenes import SUCCEEDED, a_pipeline, claim_all, job, see

pytestmark = pytest.mark.django_db
STARTED = {"event": "started", "worker": "w1"}
DEEP = b"[" * 200 + b"]" * 200


class Scene:
    def __init__(self) -> None:
        self.client = create_client("owner")
        made = create_runner("local")
        self.runner, self.api = made.runner, as_runner(made.token)
        see(self.runner)
        pipeline = a_pipeline(self.client.client, {"build": ["a", "b"]})
        claim_all()
        self.a, self.b = job(pipeline, "a"), job(pipeline, "b")

    def report(self, *items: Any) -> list[dict[str, Any]]:
        answer = self.api.post("reports/", {"reports": list(items)})
        assert answer.status_code == 200, answer.content
        results: list[dict[str, Any]] = answer.json()["results"]
        return results


@pytest.fixture
def scene(db: None) -> Scene:
    return Scene()


def of(subject: Job, **item: Any) -> dict[str, Any]:
    return {"job": subject.pk, "attempt": 1, **item}


def test_each_item_is_answered_in_order_and_succeeds_or_fails_alone(scene: Scene) -> None:
    replies = scene.report(
        of(scene.a, **STARTED), "nonsense", of(scene.b, event="log", offset=7, text="x"),
        {"job": 10**9, "attempt": 1, "event": "alive"}, of(scene.a, event="started", worker="w2"),
        of(scene.a, event="nap"), of(scene.a, event="log", offset=0, text="x" * (2**20 + 1)), of(scene.a, **SUCCEEDED),
    )  # fmt: skip
    assert [reply["status"] for reply in replies] == [200, 400, 416, 404, 409, 400, 413, 200]
    assert [reply["job"] for reply in replies[:4]] == [scene.a.pk, None, scene.b.pk, 10**9]
    assert {"job", "attempt", "event", "status", "cancel", "lease_seconds"} <= set(replies[0])
    assert (replies[0]["event"], replies[0]["cancel"]) == ("started", False)
    assert 0 < replies[0]["lease_seconds"] <= 60
    assert (replies[2]["size"], replies[3]["cancel"], replies[4]["cancel"]) == (0, True, True)
    scene.a.refresh_from_db()
    scene.b.refresh_from_db()
    assert (scene.a.state, scene.b.state) == ("DONE", "IN_PROGRESS")


def test_a_cancel_is_told_in_the_reply(scene: Scene) -> None:
    scene.report(of(scene.a, **STARTED))
    as_client(scene.client).post(f"jobs/{scene.a.pk}/cancel/")
    from_one, from_other = scene.report(of(scene.a, event="alive"), of(scene.b, event="alive"))
    assert from_other["cancel"] is False
    assert from_one["status"] == 200


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (STARTED, 200), ({"event": "alive"}, 200), ({"event": "log", "offset": 5, "text": "x"}, 416),
        ({"event": "log", "offset": 0, "text": "x" * (2**20 + 1)}, 413), ({"event": "nap"}, 400), ({}, 400),
        ({"event": "progress", "progress": 101}, 400), ({"event": "alive", "attempt": 2}, 404),
        ({"event": "finished", "outcome": "succeeded", "result": "x" * 2**18}, 413),
    ],
)  # fmt: skip
def test_the_status_of_a_single_report_is_the_item_s(event: dict[str, Any], status: int, scene: Scene) -> None:
    answer = as_attempt(scene.a).post(f"jobs/{scene.a.pk}/report/", event)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["job"] == scene.a.pk


def test_a_single_report_that_comes_too_late_is_409(scene: Scene) -> None:
    api, path = as_attempt(scene.a), f"jobs/{scene.a.pk}/report/"
    assert api.post(path, STARTED).status_code == 200
    assert [api.post(path, SUCCEEDED).status_code for _ in range(2)] == [200, 200]
    late = api.post(path, {"event": "finished", "outcome": "failed"})
    assert (late.status_code, late.json()["cancel"]) == (409, True)
    scene.a.refresh_from_db()
    assert scene.a.state == "DONE"


@pytest.mark.parametrize("path", ["reports/", "jobs/{job}/report/"])
@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b'{"reports":[NaN]}', b'{"reports":' + b"9" * 5000 + b"}"],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_is_400(body: bytes, path: str, scene: Scene) -> None:
    api = scene.api if path == "reports/" else as_attempt(scene.a)
    problem(api.post(path.format(job=scene.a.pk), body), 400)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"x"', b"{}", b'{"reports":{}}', b'{"reports":null}'])
def test_a_batch_is_an_object_with_a_list(body: bytes, scene: Scene) -> None:
    problem(scene.api.post("reports/", body), 400)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"x"', b"{}"])
def test_a_single_report_is_an_object(body: bytes, scene: Scene) -> None:
    assert as_attempt(scene.a).post(f"jobs/{scene.a.pk}/report/", body).status_code == 400


@pytest.mark.parametrize("media_type", ["text/plain", "application/yaml", "application/x-www-form-urlencoded"])
def test_reports_are_json(media_type: str, scene: Scene) -> None:
    problem(scene.api.post("reports/", b'{"reports":[]}', content_type=media_type), 415)


def test_a_batch_is_bounded(scene: Scene) -> None:
    alive = of(scene.a, event="alive")
    assert len(scene.report(*[alive] * MAX_ITEMS)) == MAX_ITEMS
    problem(scene.api.post("reports/", {"reports": [alive] * (MAX_ITEMS + 1)}), 413)
    body = json.dumps({"reports": []}).encode()
    assert scene.api.post("reports/", body.ljust(MAX_BYTES)).status_code == 200
    problem(scene.api.post("reports/", body.ljust(MAX_BYTES + 1)), 413)
    problem(as_attempt(scene.a).post(f"jobs/{scene.a.pk}/report/", b" " * (MAX_BYTES + 1)), 413)


HOSTILE = [
    b'{"event": "\\ud800"}', b'{"event": "alive", "job": true}', b'{"event": "alive", "attempt": 1e999}',
    b'{"event": "alive", "attempt": 99999999999999999999}', b'{"event": "started", "worker": "a\\u0000b"}',
    b'{"event": "started", "worker": "\\ud800"}', b'{"event": "started", "worker": ["w1"]}',
    b'{"event": "progress", "progress": 1e999}', b'{"event": "log", "offset": 0, "text": "\\udfff"}',
    b'{"event": "log", "offset": -1, "text": ""}', b'{"event": "log", "offset": 1e30, "text": ""}',
    b'{"event": "finished", "outcome": "lost"}', b'{"event": "finished", "outcome": "succeeded", "exit_code": 1e9}',
    b'{"event": "finished", "outcome": "succeeded", "result": 1e999}',
    b'{"event": "finished", "outcome": "succeeded", "result": {"a": "\\u0000"}}',
    b'{"event": "finished", "outcome": "succeeded", "result": {"\\ud800": 1}}',
    b'{"event": "finished", "outcome": "succeeded", "result": ' + DEEP + b"}",
]  # fmt: skip


@pytest.mark.parametrize("item", HOSTILE, ids=lambda item: item[:60].decode())
def test_a_hostile_item_harms_no_other(item: bytes, scene: Scene) -> None:
    whose = b'"job": %d, "attempt": 1, ' % scene.a.pk
    alive = b"{" + whose + b'"event": "alive"}'
    answer = scene.api.post("reports/", b'{"reports": [%s, {%s%s, %s]}' % (alive, whose, item[1:], alive))
    assert [reply["status"] for reply in answer.json()["results"]] == [200, 400, 200]
    assert as_attempt(scene.a).post(f"jobs/{scene.a.pk}/report/", item).status_code in (400, 404)
    scene.a.refresh_from_db()
    assert scene.a.state == "IN_PROGRESS"


def test_text_that_cannot_be_kept_is_made_to_fit(scene: Scene) -> None:
    bad = {"event": "progress", "progress": 5, "message": "a\0b" + "ü" * 4096}
    assert scene.report(of(scene.a, **bad))[0]["status"] == 200
    scene.a.refresh_from_db()
    assert scene.a.message.startswith("a\ufffdb")
    assert len(scene.a.message.encode()) <= 4096


def test_an_empty_list_is_a_sign_of_life(
    scene: Scene, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    def beat() -> int:
        with django_capture_on_commit_callbacks() as nudges:
            assert scene.report() == []
        return len(nudges)

    before = clock.now()
    Runner.objects.update(seen_at=before - timedelta(minutes=5))
    assert beat() == 1  # it was away: the pool is topped up at once
    seen = Runner.objects.get(pk=scene.runner.pk).seen_at
    assert seen is not None and seen >= before
    assert beat() == 0
    Runner.objects.update(seen_at=clock.now() - timedelta(seconds=20))
    assert beat() == 0


def test_a_retired_token_reports_nothing(scene: Scene) -> None:
    Runner.objects.update(token_digest="")
    for token in ("", " ", "tpr_"):
        problem(as_runner(token).post("reports/", {"reports": []}), 401)
    problem(scene.api.post("reports/", {"reports": []}), 401)
    problem(Api({"Authorization": "Basic Og=="}).post("reports/", {"reports": []}), 401)
