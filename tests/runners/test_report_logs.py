"""The log of an attempt: offsets, overlaps, gaps, the cut in the middle (contract section 7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.db.models.functions import Length
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from pipelines import clock
from pipelines.models import Job
from runners import logs
from runners.models import Attempt, LogChunk
from tests.scenes import FAILED, STARTED, a_client, a_pipeline, a_runner, claim_all, replies, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def a() -> Job:
    a_runner()
    a_pipeline(a_client(), {"s": ["a"]})
    (claimed,) = claim_all()
    assert report(claimed, STARTED) == [200]
    return claimed


def log(offset: int, text: str) -> dict[str, Any]:
    return {"event": "log", "offset": offset, "text": text}


def held(offset: int = 0) -> bytes:
    return logs.read(Attempt.objects.get(), offset=offset).content


def kept() -> int:
    # bytea is counted by octet_length, which is what length() is for it
    return LogChunk.objects.aggregate(size=Sum(Length("content")))["size"] or 0


def test_pieces_are_appended_at_their_offsets(a: Job) -> None:
    answered = replies(a, log(0, "one\n"), log(4, "two\n"))
    assert [(reply["status"], reply["size"]) for reply in answered] == [(200, 4), (200, 8)]
    assert report(a, log(8, "three\n")) == [200]
    assert held() == b"one\ntwo\nthree\n"
    assert held(offset=5) == b"wo\nthree\n"
    assert held(offset=14) == held(offset=99) == b""
    assert logs.read(Attempt.objects.get(), offset=99).offset == 14


def test_offsets_count_bytes_of_utf_8(a: Job) -> None:
    assert [reply["size"] for reply in replies(a, log(0, "é"), log(2, "\U0001f680"), log(6, "\0"))] == [2, 6, 7]
    assert held() == "é\U0001f680\0".encode()


@pytest.mark.parametrize(
    ("offset", "text", "after"),
    [
        (0, "hello", "hello"),
        (0, "hello world", "hello world"),
        (3, "lo there", "hello there"),
        (1, "el", "hello"),
        (5, "", "hello"),
    ],
)
def test_an_overlap_adds_only_its_new_part(a: Job, offset: int, text: str, after: str) -> None:
    assert report(a, log(0, "hello")) == [200]
    (reply,) = replies(a, log(offset, text))
    assert (reply["status"], reply["size"]) == (200, len(after))
    assert held() == after.encode()


def test_a_gap_is_416_with_the_size_held_and_changes_nothing(a: Job) -> None:
    assert report(a, log(0, "hello")) == [200]
    (reply,) = replies(a, log(6, "world"))
    assert (reply["status"], reply["size"], reply["cancel"]) == (416, 5, False)
    assert held() == b"hello"
    assert report(a, log(7, "x"), log(5, " world")) == [416, 200]
    assert held() == b"hello world"


def test_each_attempt_s_log_begins_at_0(settings: Settings) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_runner()
    a_pipeline(a_client(), {"s": [{"name": "a", "retry_attempt": 1}]})
    (a,) = claim_all()
    assert report(a, STARTED, log(0, "first"), FAILED) == [200] * 3
    (a,) = claim_all()
    assert report(a, STARTED, log(0, "second")) == [200] * 2
    assert [logs.read(each, offset=0).content for each in Attempt.objects.order_by("number")] == [b"first", b"second"]


@pytest.mark.parametrize(("seconds", "status"), [(59.9, 200), (60, 200), (60.1, 409)])
def test_a_log_that_continues_is_taken_until_60_seconds_after_the_end(a: Job, seconds: float, status: int) -> None:
    assert report(a, log(0, "hello"), FAILED) == [200, 200]
    lease = Attempt.objects.get().lease_until
    ended = Attempt.objects.get().finished_at
    assert ended is not None
    (reply,) = replies(a, log(5, " world"), now=ended + timedelta(seconds=seconds))
    assert (reply["status"], reply["cancel"], reply["lease_seconds"]) == (status, status == 409, 0)
    assert held() == (b"hello world" if status == 200 else b"hello")
    assert Attempt.objects.get().lease_until == lease
    assert Attempt.objects.get().outcome == "failed"


def test_a_gap_after_the_end_is_a_gap(a: Job) -> None:
    assert report(a, log(0, "hello"), FAILED, log(6, "x")) == [200, 200, 416]


def test_a_log_past_the_limit_loses_its_middle_and_offsets_go_on(a: Job, settings: Settings) -> None:
    settings.LOG_LIMIT_BYTES = 10_000
    text = "".join(f"line {n:04}\n" for n in range(5_000))  # 10 bytes each
    for start in range(0, len(text), 777):
        (reply,) = replies(a, log(start, text[start : start + 777]))
        assert (reply["status"], reply["size"]) == (200, min(start + 777, len(text)))
        assert kept() <= 10_000
    assert kept() > 8_000
    shown = held().decode()
    head, notice, tail = shown.partition("\n[... ")
    cut, _, tail = tail.partition(" bytes of log cut: over the limit of 10000 bytes ...]\n")
    assert text.startswith(head) and text.endswith(tail)
    assert len(head) + int(cut) + len(tail) == len(text)
    assert min(len(head), len(tail)) >= 4_000
    # From the end of the head on, and from inside the cut, and from the tail on.
    assert held(offset=len(head)).decode() == notice + cut + shown[len(head) + len(notice) + len(cut) :]
    assert held(offset=len(head) + 10).decode().startswith(f"\n[... {int(cut) - 10} bytes")
    assert held(offset=len(text) - 100).decode() == text[-100:]


def test_one_piece_larger_than_the_limit_is_cut_too(a: Job, settings: Settings) -> None:
    settings.LOG_LIMIT_BYTES = 1024
    (reply,) = replies(a, log(0, "x" + "é" * 300_000))
    assert reply["size"] == 600_001
    assert 700 < kept() <= 1024
    shown = held().decode()  # cut between two characters
    assert shown.startswith("xé") and shown.endswith("éé") and "bytes of log cut" in shown
    (reply,) = replies(a, log(600_001, "the end"))
    assert reply["size"] == 600_008
    assert held().endswith("éthe end".encode())


def test_a_log_of_exactly_the_limit_is_whole(a: Job, settings: Settings) -> None:
    settings.LOG_LIMIT_BYTES = 2048
    assert report(a, log(0, "x" * 2048)) == [200]
    assert held() == b"x" * 2048


@examples(max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-30, 10), st.text(max_size=40)), max_size=12))
@example([(0, "a\u0301"), (-1, "b"), (3, "gap")])
def test_whatever_is_sent_twice_or_out_of_place_the_log_is_what_was_said(a: Job, pieces: list[tuple[int, str]]) -> None:
    """A runner that goes back and repeats what it said before makes no difference."""
    LogChunk.objects.all().delete()
    Attempt.objects.update(log_size=0)
    said = b""
    for shift, new in pieces:
        offset = max(0, len(said) + shift)
        if offset > len(said):
            assert report(a, log(offset, new)) == [416]
            continue
        # Back to the start of a character, as a runner that keeps its output as text would go.
        while offset < len(said) and said[offset] & 0xC0 == 0x80:
            offset -= 1
        try:
            whole = said[offset:].decode() + new
        except UnicodeDecodeError:
            continue
        if "\ud800" <= max(new, default="") <= "\udfff":
            continue
        (reply,) = replies(a, log(offset, whole), now=clock.now())
        said += new.encode()
        assert (reply["status"], reply["size"]) == (200, len(said))
        assert held() == said
