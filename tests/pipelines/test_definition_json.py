"""Reading JSON: what is refused before anybody looks at its fields."""

from __future__ import annotations

import json

import pytest

from tests.pipelines.documents import document, job, parse_json, refused_json


def with_param(text: str) -> str:
    """Return a valid document but for a value in its params, spelt as given."""
    return json.dumps(document()).replace('"true"', f'"true", "stdin": {text}')


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"stages": [}', 1, 13),
        ('{"stages":\n  ["a",]}', 2, 8),
        ('{"a": 1} {"b": 2}', 1, 10),
        ("{'a': 1}", 1, 2),
        ('{"a": 01}', 1, 8),
        ('{"a": "\x01"}', 1, 8),
        ('{"a": "\\x"}', 1, 8),
        ("]", 1, 1),
        ("stages: [build]", 1, 1),
    ],
)
def test_what_is_not_json_is_one_error_with_its_place(text: str, line: int, column: int) -> None:
    (error,) = refused_json(text)

    assert error.detail.startswith("this is not valid JSON")
    assert (error.pointer, error.line, error.column) == ("", line, column)


@pytest.mark.parametrize("body", [b"", b"  \n", b"\xef\xbb\xbf"])
def test_an_empty_body_is_refused(body: bytes) -> None:
    (error,) = refused_json(body)

    assert error.detail.startswith("this is empty")


@pytest.mark.parametrize("body", [b'{"a":\n "\xff"}', b'{"a":\n "\xed\xa0\x80"}'])
def test_what_is_not_utf_8_is_refused_with_its_place(body: bytes) -> None:
    (error,) = refused_json(body)

    assert (error.detail, error.line, error.column) == ("this is not UTF-8 text", 2, 3)


def test_utf_16_is_refused() -> None:
    assert refused_json(json.dumps(document()).encode("utf-16"))[0].detail == "this is not UTF-8 text"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_json(b"\xef\xbb\xbf" + json.dumps(document()).encode()).jobs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1" * 5000, "64 bits"),
        ("-" + "1" * 5000, "64 bits"),
        ("9223372036854775808", "64 bits"),
        ("-9223372036854775809", "64 bits"),
        ("NaN", "finite"),
        ("Infinity", "finite"),
        ("-Infinity", "finite"),
        ("1e999", "finite"),
        (r'"a\u0000b"', "NUL"),
        (r'"\ud800"', "surrogate"),
        (r'"\udc00\ud800"', "surrogate"),
    ],
)
def test_a_value_nobody_can_keep_is_refused_where_it_stands(text: str, said: str) -> None:
    (error,) = refused_json(with_param(text))

    assert error.pointer == "/jobs/0/params/stdin"
    assert said in error.detail
    assert error.detail.encode()


@pytest.mark.parametrize("key", [r"a\u0000", r"\ud800"])
def test_a_key_nobody_can_keep_is_refused(key: str) -> None:
    (error,) = refused_json(with_param(f'"x", "env": {{"{key}": "x"}}'))

    assert error.detail.startswith("a key must not contain")
    assert error.pointer.encode()


def test_a_surrogate_pair_is_a_character() -> None:
    assert parse_json(with_param(r'"\ud83d\ude00"')).jobs[0].params["stdin"] == "😀"


def test_numbers_at_the_edge_of_64_bits_are_read_exactly() -> None:
    for number in (2**63 - 1, -(2**63)):
        (error,) = refused_json(with_param(str(number)))
        assert error.detail == f"must be a string, not the number {number}: put it in quotes"


def test_repeated_keys_are_refused_at_any_level_in_document_order() -> None:
    text = json.dumps(document(job(params={"command": "true", "env": {"A": "b"}}), name="x"))
    text = text.replace('"A": "b"', '"A": "b", "A": "c"').replace('"name": "x"', '"name": "x", "name": "y"')
    text = text.replace('"stage": "build"', '"stage": "build", "stage": "other"')

    errors = refused_json(text)

    assert [error.pointer for error in errors] == ["/jobs/0/stage", "/jobs/0/params/env/A", "/name"]
    assert errors[0].detail == "the key 'stage' is in this object already: keep one of them"


def test_other_mistakes_come_with_values_nobody_can_keep() -> None:
    text = json.dumps(document(job(timout=5, priority=-1))).replace("-1", "1" * 5000)

    assert [error.pointer for error in refused_json(text)] == ["/jobs/0/timout", "/jobs/0/priority"]


def test_a_value_nobody_can_keep_is_one_mistake_only() -> None:
    text = json.dumps(document(job(name="@"))).replace('"@"', r'"\u0000"')

    assert [error.detail for error in refused_json(text)] == ["must not contain a NUL character: it cannot be stored"]


def test_errors_of_fields_have_no_line() -> None:
    (error,) = refused_json(json.dumps(document(job(timout=1))))

    assert (error.line, error.column) == (None, None)
