"""What is let in of a report, and that one bad item fails alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pipelines import clock
from pipelines.models import Job
from runners.models import Attempt, LogChunk
from runners.reports import apply, read_item
from tests.scenes import FAILED, STARTED, SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, replies, report

pytestmark = pytest.mark.django_db

ALIVE = {"job": 1, "attempt": 1, "event": "alive"}


@pytest.fixture
def a() -> Job:
    a_runner()
    a_pipeline(a_client(), {"s": ["a"]})
    return claim_all()[0]


def status(raw: Any) -> int:
    read = read_item(raw)
    return read["status"] if isinstance(read, dict) else 200


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "alive",
        {},
        {"event": "alive"},
        ALIVE | {"event": "finish"},
        ALIVE | {"event": ["alive"]},
        ALIVE | {"event": "\ud800"},
        ALIVE | {"event": "x" * 100_000},
        ALIVE | {"job": "1"},
        ALIVE | {"job": 1.0},
        ALIVE | {"job": True},
        ALIVE | {"job": 0},
        ALIVE | {"job": -1},
        ALIVE | {"job": 2**63},
        ALIVE | {"attempt": 2**31},
        ALIVE | {"attempt": None},
        ALIVE | {"event": "started"},
        ALIVE | {"event": "started", "worker": ""},
        ALIVE | {"event": "started", "worker": "w" * 256},
        ALIVE | {"event": "started", "worker": "w\0"},
        ALIVE | {"event": "started", "worker": "\udc80"},
        ALIVE | {"event": "progress", "progress": 101},
        ALIVE | {"event": "progress", "progress": -1},
        ALIVE | {"event": "progress", "progress": 1.5},
        ALIVE | {"event": "progress", "message": 5},
        ALIVE | {"event": "log", "text": "x"},
        ALIVE | {"event": "log", "offset": -1, "text": "x"},
        ALIVE | {"event": "log", "offset": 2**62, "text": "x"},
        ALIVE | {"event": "log", "offset": 0, "text": "\ud800"},
        ALIVE | {"event": "finished"},
        ALIVE | {"event": "finished", "outcome": "lost"},
        ALIVE | {"event": "finished", "outcome": "returned"},
        ALIVE | {"event": "finished", "outcome": "succeeded", "exit_code": 2**31},
        ALIVE | {"event": "finished", "outcome": "succeeded", "signal": -1},
        ALIVE | {"event": "finished", "outcome": "failed", "reason": "r" * 65},
        ALIVE | {"event": "finished", "outcome": "failed", "result": float("nan")},
        ALIVE | {"event": "finished", "outcome": "failed", "result": [float("inf")]},
        ALIVE | {"event": "finished", "outcome": "failed", "result": "a\0b"},
        ALIVE | {"event": "finished", "outcome": "failed", "result": {"\ud800": 1}},
        ALIVE | {"event": "finished", "outcome": "failed", "result": json.loads("[" * 500 + "]" * 500)},
    ],
)
def test_a_malformed_item_is_refused_in_words_that_can_be_sent(raw: Any) -> None:
    read = read_item(raw)
    assert isinstance(read, dict) and read["status"] == 400
    sendable = json.dumps(read, ensure_ascii=False).encode()
    assert len(sendable) < 1000


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"unknown": "a runner may be newer than its service"},
        {"event": "started", "worker": "w" * 255},
        {"event": "progress", "progress": 100, "message": None},
        {
            "event": "finished",
            "outcome": "failed",
            "exit_code": -1,
            "signal": 9,
            "reason": None,
            "result": {"a": [1.5]},
        },
        {"event": "log", "offset": 0, "text": "a\0b\x1b[0m\U0001f680"},
        {"event": "returned"},
    ],
)
def test_a_well_formed_item_is_taken(fields: dict[str, Any]) -> None:
    assert status(ALIVE | fields) == 200


def test_the_largest_log_item_and_result_are_taken_and_one_byte_more_is_too_large() -> None:
    log = ALIVE | {"event": "log", "offset": 0}
    assert status(log | {"text": "é" * (2**19)}) == 200
    assert status(log | {"text": "é" * (2**19) + "x"}) == 413
    finished = ALIVE | {"event": "finished", "outcome": "succeeded"}
    assert status(finished | {"result": "x" * (2**18 - 2)}) == 200
    assert status(finished | {"result": "x" * (2**18 - 1)}) == 413


def test_a_bad_item_fails_alone(a: Job) -> None:
    bad = {"event": "progress", "progress": 1000}
    answered = replies(a, STARTED, bad, {"event": "log", "offset": 5, "text": "gap"}, SUCCEEDED)
    assert [reply["status"] for reply in answered] == [200, 400, 416, 200]
    assert [(reply["job"], reply["attempt"], reply["event"]) for reply in answered] == [
        (a.pk, 1, event) for event in ("started", "progress", "log", "finished")
    ]
    a.refresh_from_db()
    assert a.state == "DONE"


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [("message", "a\0b", "a\ufffdb"), ("message", "a\ud800b", "a?b"), ("reason", "a\0b", "a\ufffdb")],
)
@pytest.mark.parametrize("event", [FAILED, {"event": "returned"}])
def test_text_that_postgresql_cannot_keep_is_replaced(
    a: Job, event: dict[str, Any], field: str, sent: str, kept: str
) -> None:
    assert report(a, STARTED, {**event, field: sent}) == [200, 200]
    assert getattr(Attempt.objects.get(), field) == kept


def test_a_late_report_with_such_text_is_kept_as_evidence(a: Job) -> None:
    assert report(a, STARTED, FAILED, {**FAILED, "reason": "x\0"}, {"event": "started", "worker": "w2"}) == [
        200,
        200,
        409,
        409,
    ]
    assert [late["event"] for late in Attempt.objects.get().evidence["late_reports"]] == ["finished", "started"]


def test_a_message_is_cut_to_4_kib_between_two_characters(a: Job) -> None:
    assert report(a, STARTED, {"event": "progress", "message": "x" + "é" * 4000}) == [200, 200]
    a.refresh_from_db()
    assert a.message == "x" + "é" * 2047
    assert report(a, {**FAILED, "message": "é" * 4000}) == [200]
    assert Attempt.objects.get().message == "é" * 2048
    # The same report again is cut alike, and so is the same.
    assert report(a, {**FAILED, "message": "é" * 4000}) == [200]


def test_a_result_is_kept_as_it_is(a: Job) -> None:
    result = {"artifacts": [{"path": "a/b", "size": 2**60}], "ok": True, "none": None, "é": 1.5}
    assert report(a, STARTED, {**SUCCEEDED, "result": result}) == [200, 200]
    a.refresh_from_db()
    assert a.result == result


def mixed(jobs: list[Job]) -> list[dict[str, Any]]:
    """Return five items for each job, their ends of every kind."""
    ends: list[dict[str, Any]] = [SUCCEEDED, FAILED, {"event": "returned"}]
    return [
        {"job": each.pk, "attempt": 1, **event}
        for number, each in enumerate(jobs)
        for event in (
            {"event": "started", "worker": "w"},
            {"event": "progress", "progress": 5},
            {"event": "log", "offset": 0, "text": "hello\n"},
            {"event": "log", "offset": 6, "text": "world\n"},
            ends[number % 3],
        )
    ]


def queries(jobs: list[Job]) -> int:
    items = [item for item in map(read_item, mixed(jobs)) if not isinstance(item, dict)]
    runner = Attempt.objects.filter(job=jobs[0]).values_list("runner", flat=True).get()
    with CaptureQueriesContext(connection) as captured:
        answered = apply(items, allowed=None, runner=runner, now=clock.now())
    assert {reply["status"] for reply in answered} == {200}
    return len(captured)


def test_a_batch_is_the_same_number_of_statements_however_many_items_it_has(settings: Any) -> None:
    settings.QUEUE_SIZE = settings.LOG_LIMIT_BYTES = 1000
    a_runner(capacity=1000)
    client = a_client()
    sizes = [3, 200]
    for size in sizes:
        for part in range(2):  # jobs of two pipelines, of which one goes on to its next stage
            tolerant = [{"name": f"{n}", "allow_failure": part == 1, "retry_attempt": part} for n in range(size)]
            a_pipeline(client, {"s": tolerant, "t": ["next"]})
    claimed = claim_all()
    assert len(claimed) == 2 * sum(sizes)
    first, second = claimed[: 2 * sizes[0]], claimed[2 * sizes[0] :]
    few = queries(first)
    many = queries(second)
    assert many == few <= 45
    assert LogChunk.objects.count() == len(claimed)
