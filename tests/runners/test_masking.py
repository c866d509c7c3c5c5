from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.masking import MASK, MaskedStream, Masker, forms_of

SECRET = "hunter2-hunter2"

# Few letters, so that values meet, overlap and nearly appear all the time; none of them is of the mask.
letters = st.text(alphabet="ab", max_size=40)
values = st.lists(st.text(alphabet="ab", min_size=6, max_size=12), min_size=1, max_size=3)


def streamed(masker: Masker, pieces: list[str]) -> str:
    stream = MaskedStream(masker)
    return "".join([*map(stream.feed, pieces), stream.flush()])


def expected(text: str, *, forms: set[str]) -> str:
    """Mask the slow and plain way: mark every occurrence, then put one mask for each run of marks that overlap."""
    spans = sorted({match.span(1) for form in forms for match in re.finditer(f"(?=({re.escape(form)}))", text)})
    masked, end = "", 0
    for start, stop in spans:
        if start >= end:
            masked += text[end:start] + MASK
        end = max(end, stop)
    return masked + text[end:]


@given(values=values, pieces=st.lists(letters, max_size=8))
def test_any_splitting_gives_the_same_masked_text(values: list[str], pieces: list[str]) -> None:
    masker = Masker(values)
    forms = {form for value in values for form in forms_of(value)}
    assert streamed(masker, pieces) == expected("".join(pieces), forms=forms)
    assert masker.text("".join(pieces)) == expected("".join(pieces), forms=forms)


@given(values=values, pieces=st.lists(letters, max_size=8))
def test_no_value_survives_and_little_is_held_back(values: list[str], pieces: list[str]) -> None:
    masker = Masker(values)
    stream = MaskedStream(masker)
    out = ""
    for piece in pieces:
        out += stream.feed(piece)
        assert len(stream.state[0]) < masker.longest
    out += stream.flush()
    assert stream.state == ("", 0)
    assert not any(value in part for value in values for part in out.split(MASK))


@given(values=values, pieces=st.lists(letters, max_size=8))
def test_a_stream_goes_on_from_its_state(values: list[str], pieces: list[str]) -> None:
    out, state = "", ("", 0)
    for piece in pieces:
        stream = MaskedStream(Masker(values), state=state)
        out += stream.feed(piece)
        state = stream.state
    out += MaskedStream(Masker(values), state=state).flush()
    assert out == Masker(values).text("".join(pieces))


@given(
    value=st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
    url_safe=st.booleans(),
)
def test_base64_is_masked_at_every_alignment(value: str, before: bytes, after: bytes, url_safe: bool) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    text = encode(before + value.encode("utf-8", "surrogatepass") + after).decode()
    masked = Masker([value]).text(text)
    assert MASK in masked
    # At most the characters that also say something of a neighbour are left of it.
    shown = len(masked.replace(MASK, "").rstrip("="))
    assert shown <= len(encode(before).decode()) + len(encode(after).decode()) + 2


def test_what_cannot_be_the_beginning_of_a_value_is_told_at_once() -> None:
    stream = MaskedStream(Masker([SECRET]))
    assert stream.feed("12 passed\n") == "12 passed\n"
    assert stream.feed("say hunter2-") == "say "
    assert stream.feed("hunter2!") == f"{MASK}!"


def test_values_that_overlap_or_repeat_leave_one_mask() -> None:
    assert Masker(["abcdefgh", "efghijkl"]).text("<abcdefghijkl>") == f"<{MASK}>"
    assert Masker(["aaaaaa"]).text("a" * 100_000) == MASK
    stream = MaskedStream(Masker(["abcdefgh", "efghijkl"]))
    assert [stream.feed("<abcdefgh"), stream.feed("ijkl>"), stream.flush()] == [f"<{MASK}", ">", ""]


@pytest.mark.parametrize("value", ["", "short", "      ", "\n\n\n\n\n\n"])
def test_what_is_too_short_or_blank_masks_nothing(value: str) -> None:
    assert not Masker([value])
    assert Masker([value]).text(f"a {value} b short") == f"a {value} b short"


def test_six_characters_are_enough() -> None:
    assert Masker(["sixsix"]).text("=sixsix=") == f"={MASK}="


def test_lines_of_a_value_and_its_wrapped_base64_are_masked() -> None:
    key = "-----BEGIN KEY-----\n" + "\n".join(f"{number:032x}" for number in range(7, 15)) + "\n-----END KEY-----\n"
    masker = Masker([key])
    indented = "".join(f"    {line}\n" for line in key.splitlines())
    assert masker.text(indented) == f"    {MASK}\n" * 10
    for wrapped in (base64.encodebytes(key.encode()).decode(), base64.encodebytes(key.strip().encode()).decode()):
        assert set(masker.text(wrapped).split()) == {MASK}


def test_every_text_of_a_value_is_masked() -> None:
    masked = Masker([SECRET]).value({"a": [f"x{SECRET}", 1, None, True], SECRET: {"b": SECRET}})
    assert masked == {"a": [f"x{MASK}", 1, None, True], MASK: {"b": MASK}}


def test_a_text_that_is_nearly_the_value_again_and_again_is_masked_all_the_same() -> None:
    value = "a" * 500 + "b" + "a" * 500
    text = ("a" * 700 + "c") * 40 + value + "d"
    pieces = [text[start : start + 977] for start in range(0, len(text), 977)]
    assert streamed(Masker([value]), pieces) == Masker([value]).text(text)
    assert Masker([value]).text(text).endswith(f"{MASK}d")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("told", "told"),
        (f"a {SECRET} b", f"a {MASK} b"),
        ("it said hunter2-hunt", f"it said {MASK}"),
        ("it said hunter2-hunt…", f"it said {MASK}…"),
        ("it said hunte…", "it said hunte…"),  # fewer characters than are ever masked
        (f"{SECRET}hunter2-h", f"{MASK}{MASK}"),
    ],
)
def test_a_text_that_was_cut_off_ends_in_no_half_of_a_value(text: str, shown: str) -> None:
    assert Masker([SECRET]).excerpt(text) == shown


def test_a_value_is_told_as_json_and_python_write_it() -> None:
    value = 'it\'s "quoted"\\ and\tlong\u00e9\n'
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        assert MASK in Masker([value]).text(text) and "quoted" not in Masker([value]).text(text)


def test_its_repr_has_no_value() -> None:
    assert SECRET not in repr(Masker([SECRET])) + repr(MaskedStream(Masker([SECRET])))
