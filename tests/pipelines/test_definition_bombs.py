"""Small or large bodies made to exhaust the process: each is one clear error, found before anything is built of it."""

from __future__ import annotations

import tracemalloc

import pytest

from pipelines.definition import DocumentErrors, Limits, load, parse
from pipelines.definition.problems import Problems
from pipelines.wording import Problem
from tests.pipelines.documents import refused_json, refused_yaml

DEEP = 100_000
TOO_DEEP = "this nests deeper than 100 levels"
MANY = "this holds more than 1000000 values and keys, those repeated by aliases included"

LAUGHS = "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{number}: &a{number} {{x: *a{number - 1}, <<: [*a{number - 1}, *a{number - 1}]}}\n" for number in range(1, 60)
)
LADDER = "a0: &a0 [x]\n" + "".join(f"a{number}: &a{number} [*a{number - 1}]\n" for number in range(1, 1500))


def load_yaml(text: str, *, limits: Limits) -> object:
    return load(text.encode(), media_type="application/yaml", limits=limits)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_deep_nesting_in_yaml_is_refused_where_it_becomes_too_deep(opening: str) -> None:
    (error,) = refused_yaml(opening * DEEP)

    assert error.detail == TOO_DEEP
    assert error.line == 1
    assert error.column is not None and error.column <= 100 * len(opening) + 1


@pytest.mark.parametrize("text", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP, "[" * DEEP, '["[", ' * DEEP])
def test_deep_nesting_in_json_is_refused(text: str) -> None:
    assert [error.detail for error in refused_json(text)] == [TOO_DEEP]


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
def test_a_hundred_levels_are_taken_and_one_more_is_not(media_type: str) -> None:
    limits = Limits()

    load(b"[" * 100 + b"]" * 100, media_type=media_type, limits=limits)
    with pytest.raises(DocumentErrors, match="one mistake"):
        load(b"[" * 101 + b"]" * 101, media_type=media_type, limits=limits)


def test_brackets_in_strings_are_not_nesting() -> None:
    text = rb'["\"' + b"[" * 1000 + rb'\\", "' + b"{" * 1000 + b'"]'

    assert load(text, media_type="application/json", limits=Limits()) == ['"' + "[" * 1000 + "\\", "{" * 1000]


def test_a_billion_laughs_are_refused_before_they_are_built() -> None:
    tracemalloc.start()
    try:
        (error,) = refused_yaml(LAUGHS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert error.detail == MANY
    assert peak < 1_000_000


def test_merges_that_double_are_refused() -> None:
    assert [error.detail for error in refused_yaml(MERGES)] == [MANY]


def test_aliases_that_nest_ever_deeper_are_refused() -> None:
    (error,) = refused_yaml(LADDER)

    assert (error.detail, error.line) == (TOO_DEEP, 100)


def test_a_long_string_repeated_by_aliases_is_refused() -> None:
    text = f"a: &a {'x' * 1000}\nb: [{', '.join(['*a'] * 20_000)}]\n"

    (error,) = refused_yaml(text)

    assert error.detail == "this holds more than 16777216 characters of text, those repeated by aliases included"


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("[]", 1), ("[[], {}]", 3), ('["a", 1]', 3), ('{"a": 1}', 3), ('{"a": [1, {"b": "c"}]}', 7), ('"[,:"', 1)],
)
def test_both_languages_count_the_same_nodes(text: str, nodes: int) -> None:
    for media_type in ("application/json", "application/yaml"):
        load(text.encode(), media_type=media_type, limits=Limits(max_nodes=nodes))
        with pytest.raises(DocumentErrors):
            load(text.encode(), media_type=media_type, limits=Limits(max_nodes=nodes - 1))


def test_an_alias_counts_all_that_it_repeats() -> None:
    text = "[&a [x, y], *a, *a]"

    load_yaml(text, limits=Limits(max_nodes=10))
    with pytest.raises(DocumentErrors):
        load_yaml(text, limits=Limits(max_nodes=9))


def test_a_redefined_anchor_counts_as_what_it_is_now() -> None:
    text = "[&a [x, y], &a z, *a]"

    assert load_yaml(text, limits=Limits(max_nodes=6)) == [["x", "y"], "z", "z"]


@pytest.mark.parametrize(
    "text", ["[" + "1," * 1_000_000 + "1]", '["' + '","' * 3_000_000 + '"]', "[" + "{}," * 1_000_001 + "1]"]
)
def test_more_values_than_anybody_needs_are_refused_in_json(text: str) -> None:
    assert [error.detail for error in refused_json(text)] == [MANY]


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x85", "\u2028"])
def test_many_tag_directives_are_refused_before_libyaml_compares_each_with_all(line_break: str) -> None:
    directives = "".join(f"%TAG !a{number}! b{line_break}" for number in range(20_000))

    (error,) = refused_yaml(f"{directives}--- x")

    assert "%TAG" in error.detail
    assert refused_yaml(f"x\n...\n{directives}--- x")[0].detail == error.detail


def test_of_mistakes_without_number_the_first_of_each_part_are_kept() -> None:
    problems = Problems()
    problems.extend((Problem((index, "x"), "wrong") for index in range(5000)), under=("jobs",))
    problems.add(Problem(("stages", 0), "wrong"))

    assert problems.total == 5001
    assert [problem.path for problem in problems.kept] == [
        *(("jobs", index, "x") for index in range(1000)),
        ("stages", 0),
    ]


def test_mistakes_without_number_are_counted() -> None:
    jobs = '{"a": 1, "b": 2, "stage": "x", "name": 5},' * 20_000
    body = f'{{"stages": ["a"], "jobs": [{jobs} {{}}]}}'.encode()

    with pytest.raises(DocumentErrors) as refusal:
        parse(body, media_type="application/json", limits=Limits(max_jobs=30_000))

    assert len(refusal.value.errors) == 100
    assert refusal.value.errors_omitted > 100_000


@pytest.mark.parametrize(
    "value",
    ['{"k%d": 1}', '{"stages": ["a"], "jobs": [{"k%d": 1}]}', '{"stages": ["a"], "jobs": [1], "labels": {"k%d": 1}}'],
)
def test_fields_without_number_are_one_answer(value: str) -> None:
    head, tail = value.split('"k%d": 1')
    text = head + ", ".join(f'"k{number}": 1' for number in range(100_000)) + tail

    assert 1 <= len(refused_json(text)) <= 100
