from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from clients.registration import Credentials, create_client
from pipelines import cancelling, clock
from pipelines.models import Job
from runners import logs
from runners.api import attempts as view
from tests.api import Api, as_client, mistakes, problem
from tests.concurrency import begin, eventually, result
from tests.scenes import FAILED, STARTED, SUCCEEDED, a_pipeline, a_runner, claim_all, job, report

pytestmark = pytest.mark.django_db
TEXT = "größer\n<script>alert(1)</script>\n"
SIZE = len(TEXT.encode())


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


def a_job(owner: Credentials, **fields: Any) -> Job:
    return job(a_pipeline(owner.client, {"build": [{"name": "a", **fields}]}), "a")


def running(owner: Credentials, *, text: str = TEXT, **fields: Any) -> Job:
    found = a_job(owner, **fields)
    a_runner()
    claim_all()
    assert report(found, STARTED, *([written(text)] if text else [])) == [200] * (2 if text else 1)
    return found


def written(text: str, *, offset: int = 0) -> dict[str, Any]:
    return {"event": "log", "offset": offset, "text": text}


def position(answer: Any) -> tuple[int, int, bool]:
    assert answer.status_code == 200, answer.content
    complete = {"true": True, "false": False}[answer.headers["X-Log-Complete"]]
    return int(answer.headers["X-Log-Offset"]), int(answer.headers["X-Log-Size"]), complete


def test_the_log_is_text_and_nothing_a_browser_would_run(api: Api, owner: Credentials) -> None:
    for accept in ("*/*", "text/plain", "text/html", "application/json"):
        answer = api.get(f"jobs/{running_once(owner).pk}/log/", Accept=accept)
        assert answer.content.decode() == TEXT
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def running_once(owner: Credentials) -> Job:
    return Job.objects.filter(client=owner.client).first() or running(owner)


def test_it_is_read_on_from_an_offset(api: Api, owner: Credentials) -> None:
    path = f"jobs/{running(owner).pk}/log/"
    assert position(api.get(path)) == (0, SIZE, False)
    answer = api.get(f"{path}?offset=8")
    assert (answer.content, position(answer)) == (TEXT.encode()[8:], (8, SIZE, False))
    within_a_character = api.get(f"{path}?offset=3")
    assert within_a_character.content == TEXT.encode()[3:]
    behind_the_end = api.get(f"{path}?offset=999999999999999999")
    assert (behind_the_end.content, position(behind_the_end)) == (b"", (SIZE, SIZE, False))


def test_it_is_complete_once_the_attempt_is_over(api: Api, owner: Credentials) -> None:
    found = running(owner)
    report(found, SUCCEEDED)
    assert position(api.get(f"jobs/{found.pk}/log/")) == (0, SIZE, True)


def test_the_latest_attempt_s_is_shown_unless_another_is_named(api: Api, owner: Credentials, settings: Any) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    found = running(owner, retry_attempt=1)
    report(found, FAILED)
    claim_all()
    report(found, STARTED, written("second"))
    path = f"jobs/{found.pk}/log/"
    assert api.get(path).text == api.get(f"{path}?attempt=2").text == "second"
    assert api.get(f"{path}?attempt=1").text == TEXT
    assert position(api.get(f"{path}?attempt=1"))[2]
    for number in (0, 3, 999999999999999999):
        problem(api.get(f"{path}?attempt={number}"), 404)


def test_a_job_without_an_attempt_has_an_empty_log(api: Api, owner: Credentials) -> None:
    found = a_job(owner)
    path = f"jobs/{found.pk}/log/"
    assert (api.get(path).content, position(api.get(f"{path}?offset=7"))) == (b"", (0, 0, False))
    problem(api.get(f"{path}?attempt=1"), 404)
    cancelling.cancel_job(found, now=clock.now())
    assert position(api.get(f"{path}?wait=30")) == (0, 0, True)


@pytest.mark.parametrize("query", ["offset=x", "offset=-1", "offset=", "attempt=x", "wait=0.5", "wait=x", "offset=٣"])
def test_a_bad_parameter_is_told(query: str, api: Api, owner: Credentials) -> None:
    found = mistakes(api.get(f"jobs/{a_job(owner).pk}/log/?{query}", Accept="text/plain"))
    assert found.keys() == {"/" + query.partition("=")[0]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("event", [written("more", offset=SIZE), SUCCEEDED], ids=["text", "end"])
def test_a_reader_waits_until_there_is_something(event: dict[str, Any]) -> None:
    owner = create_client("owner")
    found = running(owner)
    waiting = begin(lambda: as_client(owner).get(f"jobs/{found.pk}/log/?offset={SIZE}&wait=30"))
    eventually(lambda: view._waiters._value == settings.STREAM_LIMIT - 1)
    report(found, event)
    answer = result(waiting)
    assert (answer.text, position(answer)[2]) == (("more", False) if event is not SUCCEEDED else ("", True))
    assert view._waiters._value == settings.STREAM_LIMIT


@pytest.mark.django_db(transaction=True)
def test_a_reader_waits_for_the_first_attempt_too() -> None:
    owner = create_client("owner")
    found = a_job(owner)
    waiting = begin(lambda: as_client(owner).get(f"jobs/{found.pk}/log/?wait=30"))
    eventually(lambda: view._waiters._value == settings.STREAM_LIMIT - 1)
    a_runner()
    claim_all()
    report(found, STARTED, written(TEXT))
    assert result(waiting).text == TEXT


@pytest.mark.django_db(transaction=True)
def test_a_waiting_reader_holds_no_database_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = create_client("owner")
    found = running(owner)
    held = []

    def sleep(seconds: float) -> None:
        held.append(connection.connection)
        report(found, SUCCEEDED)

    monkeypatch.setattr("runners.logs.time.sleep", sleep)
    answer = as_client(owner).get(f"jobs/{found.pk}/log/?offset={SIZE}&wait=30")
    assert (position(answer)[2], held) == (True, [None])


@pytest.mark.django_db(transaction=True)
def test_a_reader_whose_job_is_deleted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = create_client("owner")
    found = running(owner)
    monkeypatch.setattr("runners.logs.time.sleep", lambda seconds: found.delete())
    problem(as_client(owner).get(f"jobs/{found.pk}/log/?offset={SIZE}&wait=30"), 404)


def test_who_finds_no_room_to_wait_is_answered_at_once(
    api: Api, owner: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = running(owner)
    monkeypatch.setattr(logs, "_pause", lambda: pytest.fail("waited"))
    for _ in range(settings.STREAM_LIMIT):
        assert view._waiters.acquire(blocking=False)
    try:
        assert position(api.get(f"jobs/{found.pk}/log/?offset={SIZE}&wait=30")) == (SIZE, SIZE, False)
    finally:
        view._waiters.release(settings.STREAM_LIMIT)


def test_who_has_something_to_read_does_not_wait(api: Api, owner: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    found = running(owner)
    monkeypatch.setattr(logs, "_pause", lambda: pytest.fail("waited"))
    assert api.get(f"jobs/{found.pk}/log/?wait=30").text == TEXT


def test_the_attempts_are_listed_first_to_last(api: Api, owner: Credentials, settings: Any) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    found = running(owner, retry_attempt=1)
    assert api.get(f"jobs/{found.pk}/attempts/").json()["results"][0]["outcome"] == ""
    report(found, FAILED | {"message": "no such file"})
    claim_all()
    report(found, STARTED, SUCCEEDED)
    page = api.get(f"jobs/{found.pk}/attempts/?page_size=1").json()
    (first,) = page["results"]
    assert set(first) == {
        "number", "runner", "worker", "claimed_at", "started_at", "finished_at", "outcome", "exit_code", "signal",
        "reason", "message", "evidence",
    }  # fmt: skip
    assert (first["number"], first["runner"], first["worker"], first["outcome"]) == (1, "local", "w1", "failed")
    assert (first["exit_code"], first["message"], first["signal"]) == (1, "no such file", None)
    (second,) = api.get(page["next"].removeprefix("http://testserver")).json()["results"]
    assert (second["number"], second["outcome"]) == (2, "succeeded")
