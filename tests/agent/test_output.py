from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runners.agent.output import Budget, Output


def make_output(*pieces: bytes) -> Output:
    output = Output(budget=Budget())
    for piece in pieces:
        output.feed(piece)
    return output


def test_it_joins_a_character_that_came_in_two_reads() -> None:
    assert make_output(b"a\xc3", b"\xa9b").take(100) == (0, "aéb")


def test_it_replaces_bad_bytes_and_nuls() -> None:
    assert make_output(b"a\xff\0b").take(100) == (0, "a\ufffd\ufffdb")


def test_it_replaces_a_character_cut_off_by_the_end() -> None:
    output = make_output(b"a\xc3")
    output.feed(b"", final=True)
    assert output.take(100) == (0, "a\ufffd")


def test_offsets_count_bytes_of_the_text_as_reported() -> None:
    output = make_output(b"\xff")
    output.take(100)
    output.feed(b"x")
    assert output.take(100) == (3, "x")


def test_it_never_cuts_a_character() -> None:
    output = make_output("aéé".encode())
    assert output.take(2) == (0, "a")
    assert output.take(4) == (1, "éé")


def test_what_is_not_acknowledged_is_sent_again() -> None:
    output = make_output(b"one", b"two")
    output.take(3)
    output.acknowledge(3)
    output.take(3)
    output.rewind()
    assert output.take(100) == (3, "two")


def test_it_goes_back_to_what_the_service_holds() -> None:
    output = make_output(b"abcdef")
    output.take(100)
    assert output.rewind(2)
    assert output.take(100) == (2, "cdef")


def test_it_gives_up_on_a_gap_it_cannot_fill() -> None:
    output = make_output(b"abcdef")
    output.take(3)
    output.acknowledge(3)
    assert not output.rewind(1)
    output.feed(b"more")
    assert output.take(100) is None
    assert output.held_bytes == 0


@given(pieces=st.lists(st.binary(max_size=40)), limit=st.integers(min_value=4, max_value=50))
def test_all_of_it_arrives_in_order_whatever_the_reads_and_pieces(pieces: list[bytes], limit: int) -> None:
    budget = Budget()
    output = Output(budget=budget)
    received = b""
    for piece in pieces:
        output.feed(piece)
    output.feed(b"", final=True)
    while (part := output.take(limit)) is not None:
        offset, text = part
        assert offset == len(received)
        assert 0 < len(text.encode()) <= limit
        received += text.encode()
        output.acknowledge(len(received))
    expected = b"".join(pieces).decode(errors="replace").replace("\0", "\ufffd")
    assert received.decode() == expected
    assert budget.held == 0
