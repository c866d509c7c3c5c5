from __future__ import annotations

import random

import pytest

from runners.kubernetes.pod_logs import Cursor, page_of

FIRST = b"2026-11-24T10:00:00.100000000Z one\n"
SECOND = b"2026-11-24T10:00:00.200000000Z two\n"
THIRD = b"2026-11-24T10:00:01.000000001Z three\n"


def test_timestamps_are_taken_off() -> None:
    page = page_of(FIRST + SECOND, cursor=Cursor(), cut=False)
    assert (page.text, page.more, page.gap) == (b"one\ntwo\n", False, False)


def test_the_second_that_was_read_is_asked_for_again() -> None:
    assert Cursor().since is None
    assert Cursor("2026-11-24T10:00:00.200000000Z", 4).since == "2026-11-24T10:00:00Z"
    assert Cursor("2026-11-24T10:00:00.2+02:00", 4).since == "2026-11-24T10:00:00+02:00"


def test_what_was_read_of_it_is_not_read_twice() -> None:
    before = page_of(FIRST + SECOND, cursor=Cursor(), cut=False).cursor
    page = page_of(FIRST + SECOND + THIRD, cursor=before, cut=False)
    assert page.text == b"three\n"
    assert page_of(FIRST + SECOND + THIRD, cursor=page.cursor, cut=False).text == b""


def test_lines_with_one_timestamp_are_told_apart() -> None:
    before = page_of(FIRST + FIRST, cursor=Cursor(), cut=False).cursor
    assert page_of(FIRST * 3, cursor=before, cut=False).text == b"one\n"


def test_a_line_that_grows_is_read_on_where_it_stood() -> None:
    before = page_of(FIRST + SECOND.rstrip(b"\n"), cursor=Cursor(), cut=False)
    assert before.text == b"one\ntwo"
    assert (
        page_of(FIRST + SECOND.rstrip() + b" more\n" + THIRD, cursor=before.cursor, cut=False).text == b" more\nthree\n"
    )


def test_a_cut_answer_gives_whole_lines() -> None:
    page = page_of((FIRST + SECOND)[:-2], cursor=Cursor(), cut=True)
    assert (page.text, page.more) == (b"one\n", True)


def test_a_cut_timestamp_is_no_text() -> None:
    page = page_of(FIRST + SECOND[:12], cursor=Cursor(), cut=True)
    assert (page.text, page.more) == (b"one\n", True)


def test_a_line_longer_than_the_answer_is_read_in_pieces_of_whole_characters() -> None:
    line = b"2026-11-24T10:00:00.100000000Z " + "äöü\n".encode()
    page = page_of(line[:-2], cursor=Cursor(), cut=True)
    assert (page.text.decode(), page.more) == ("äö", True)
    assert page_of(line, cursor=page.cursor, cut=False).text.decode() == "ü\n"


def test_an_answer_full_of_what_was_read_asks_for_more() -> None:
    before = page_of(FIRST + SECOND, cursor=Cursor(), cut=False).cursor
    page = page_of(FIRST, cursor=before, cut=True)
    assert (page.text, page.more, page.cursor) == (b"", True, before)


def test_a_log_that_was_rotated_away_shows_a_gap() -> None:
    before = page_of(FIRST, cursor=Cursor(), cut=False).cursor
    page = page_of(THIRD, cursor=before, cut=False)
    assert (page.text, page.gap) == (b"three\n", True)


def test_a_cursor_survives_json() -> None:
    cursor = Cursor("2026-11-24T10:00:00.2Z", 4)
    assert Cursor.from_json(cursor.to_json()) == cursor
    assert Cursor.from_json(None) == Cursor()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_pages_nothing_is_lost_or_said_twice(seed: int) -> None:
    chance = random.Random(seed)
    lines: list[bytes] = []
    read, cursor = b"", Cursor()
    for second in range(30):
        for at in range(chance.randrange(4)):
            text = "é€𝄞x\r " * chance.randrange(20) + "\n"
            lines.append(f"2026-11-24T10:00:{second:02d}.{at // 2:09d}Z {text}".encode())
        more, limit = True, 200
        while more:
            held = b"".join(line for line in lines if cursor.since is None or line[:19] >= cursor.since[:19].encode())
            page = page_of(held[:limit], cursor=cursor, cut=len(held) >= limit)
            limit = 200 if page.text else limit * 4
            read, cursor, more = read + page.text, page.cursor, page.more
            assert not page.gap
    assert read == b"".join(line.partition(b" ")[2] for line in lines)
