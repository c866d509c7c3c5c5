"""Reading YAML 1.2: what plain words mean, what is refused, and where mistakes are said to be."""

from __future__ import annotations

import pytest

from pipelines.definition import DocumentErrors, Limits, parse
from tests.pipelines.documents import (
    YAML,
    document,
    parse_value,
    parse_yaml,
    refused_yaml,
    yaml_places,
    yaml_value,
)


def with_job_lines(*lines: str) -> str:
    return YAML + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("stages: [build", 2, 1),
        ("a: b: c", 1, 5),
        ("a:\n\t- b", 2, 1),
        ("stages:\n  - a\n - b", 3, 2),
        ("a: 'x", 1, 6),
        ("a: @x", 1, 4),
        ('a: "\\q"', 1, 5),
        ('a: "\\uD800"', 1, 7),
        ("%YAML 2.0\n--- a", 1, 1),
        ("a: é\x00", 1, 5),
        ("a:\n  \x07", 2, 3),
        ("a: *b", 1, 4),
        ("a: &a [*a]", 1, 8),
        ("a: &a x\nb: &a [*a]", 2, 8),
    ],
)
def test_what_cannot_be_read_is_one_error_with_its_place(text: str, line: int, column: int) -> None:
    (error,) = refused_yaml(text)

    assert (error.pointer, error.line, error.column) == ("", line, column)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "%YAML 1.2\n"])
def test_no_document_is_refused(text: str) -> None:
    assert len(refused_yaml(text)) == 1


@pytest.mark.parametrize("text", [YAML + "---\n" + YAML, YAML + "---\n", "---\n---\n"])
def test_a_second_document_is_refused(text: str) -> None:
    (error,) = refused_yaml(text)

    assert error.detail == "there is a second document: send one at a time"


def test_one_document_may_be_marked_as_such() -> None:
    assert parse_yaml("%YAML 1.2\n---\n" + YAML + "...\n").jobs


@pytest.mark.parametrize(
    ("tagged", "shown", "pointer"),
    [
        ("name: !!str x", "!!str", "/name"),
        ("name: ! x", "!", "/name"),
        ("name: !mine x", "!mine", "/name"),
        ("name: !!python/object/apply:os.system x", "!!python/object/apply:os.system", "/name"),
        ("name: !<tag:example.com,2000:x> x", "tag:example.com,2000:x", "/name"),
        ("labels: !!map {}", "!!map", "/labels"),
        ("labels: {a: !!int 'x'}", "!!int", "/labels/a"),
        ("!!str name: x", "!!str", "/name"),
    ],
)
def test_tags_are_refused_where_they_stand(tagged: str, shown: str, pointer: str) -> None:
    (error,) = refused_yaml(f"{YAML}{tagged}\n")

    assert (error.pointer, error.detail) == (pointer, f"tags are not allowed: remove '{shown}'")
    assert error.line == 9


def test_repeated_keys_are_refused_at_the_second() -> None:
    text = with_job_lines("name: two") + "stages: [x]\n"

    assert yaml_places(text) == [("/jobs/0/name", 9, 3), ("/stages", 10, 1)]


@pytest.mark.parametrize("key", ["1", "1.5", "true", "null", "~", "0x1F", "[a]", "{a: b}"])
def test_a_key_that_is_no_string_is_refused(key: str) -> None:
    with pytest.raises(DocumentErrors) as refusal:
        yaml_value(f"a:\n  ? {key}\n  : x\n")

    (error,) = refusal.value.errors
    assert error.detail.startswith("a key must be a string, not")
    assert (error.line, error.column) == (2, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("0o17", 15), ("0x1F", 31), ("-12", -12), ("+7", 7), ("00", 0),
        ("-0o7", "-0o7"), ("0b1", "0b1"), ("1_000", "1_000"), ("0x", "0x"), ("0o8", "0o8"),
        ("1.0", 1.0), ("1.", 1.0), (".5", 0.5), ("-1.5e3", -1500.0), ("1e3", 1000.0), ("1E-2", 0.01),
        (".", "."), ("-", "-"), ("+", "+"), ("e3", "e3"), ("1.2.3", "1.2.3"), ("..", ".."), (".e3", ".e3"),
        ("190:20:30", "190:20:30"), ("1:30", "1:30"), ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("N", "N"), ("YES", "YES"),
        ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"), ("false", False),
        ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None), ("nULL", "nULL"),
        ("=", "="), ("٣", "٣"), ("inf", "inf"), ("nan", "nan"), ("'1'", "1"), ('"true"', "true"), ("'~'", "~"),
    ],
)  # fmt: skip
def test_plain_words_mean_what_the_core_schema_of_yaml_1_2_says(text: str, value: object) -> None:
    found = yaml_value(f"- {text}\n" if text != "-" else "['-', \"-\"]")[0]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1e999", "1" * 5000, "0x" + "f" * 17, "9223372036854775808"]
)
def test_numbers_nobody_can_keep_are_refused(text: str) -> None:
    (error,) = refused_yaml(with_job_lines(f"timeout: {text}"))

    assert (error.pointer, error.line, error.column) == ("/jobs/0/timeout", 9, 3)


def test_a_nul_escape_is_refused_in_values_and_keys() -> None:
    text = with_job_lines(r'timeout: "\0"') + 'labels: {"a\\0": x}\n'

    assert [error.pointer for error in refused_yaml(text)] == ["/jobs/0/timeout", "/labels/a\0"]


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("version: 1.10", 'must be a string, not the number 1.1: put it in quotes, "1.10"'),
        ("version: 1", 'must be a string, not the number 1: put it in quotes, "1"'),
        ("name: 0x1F", 'must be a string, not the number 31: put it in quotes, "0x1F"'),
        ("name: true", 'must be a string, not true: put it in quotes, "true"'),
        ("name:", "must be a string, not null"),
        ("kind: .5", 'must be a string, not the number 0.5: put it in quotes, ".5"'),
    ],
)
def test_missing_quotes_are_said_to_be_missing(line: str, detail: str) -> None:
    field = line.partition(":")[0]
    lines = [line if each.strip(" -").startswith(f"{field}:") else each.strip(" -") for each in YAML.splitlines()[2:6]]
    text = "stages: [build]\njobs:\n- " + "\n  ".join(lines) + "\n  params: {command: make}\n"

    (error,) = refused_yaml(text)

    assert (error.pointer, error.detail) == (f"/jobs/0/{field}", detail)


def test_a_value_in_params_without_quotes_says_so() -> None:
    (error,) = refused_yaml(YAML + "    env: {PORT: 8080}\n")

    assert error.detail == 'must be a string, not the number 8080: put it in quotes, "8080"'


@pytest.mark.parametrize("word", ["yes", "No", "on", "OFF", "'true'"])
def test_old_words_for_booleans_are_refused_with_what_to_write(word: str) -> None:
    (error,) = refused_yaml(with_job_lines(f"allow_failure: {word}"))

    assert error.detail.endswith("write true or false, without quotes")


def test_a_misspelt_field_is_told_with_its_line_and_the_suggestion() -> None:
    jobs = "".join(
        f"- name: job-{number}\n  stage: build\n  kind: Shell\n  version: 1.0.0\n  params: {{command: make}}\n"
        for number in range(4)
    )
    (error,) = refused_yaml(f"stages: [build]\njobs:\n{jobs}  timout: 5\n")

    assert (error.pointer, error.line, error.column) == ("/jobs/3/timout", 23, 3)
    assert error.detail == "'timout' is not a known field: did you mean 'timeout'?"


def test_ten_mistakes_are_ten_errors_in_document_order() -> None:
    text = """\
name: 5
stages: [build, deliver, build]
labels:
  team: [a]
jobs:
- name: one
  stage: biuld
  kind: Shel
  version: 1.0
  params: {}
  timeout: 0
- {name: one, stage: build, kind: Shell, version: "1.0.0", params: {comand: x}, allow_failure: yes}
- name: two
  stage: deliver
  kind: Shell
  version: 1.0.0
  params: {command: make}
"""
    assert yaml_places(text) == [
        ("/name", 1, 1),
        ("/stages/2", 2, 26),
        ("/labels/team", 4, 3),
        ("/jobs/0/stage", 7, 3),
        ("/jobs/0/kind", 8, 3),
        ("/jobs/0/version", 9, 3),
        ("/jobs/0/timeout", 11, 3),
        ("/jobs/1/name", 12, 4),
        ("/jobs/1/params/comand", 12, 69),
        ("/jobs/1/allow_failure", 12, 81),
    ]


def test_what_is_missing_is_told_at_the_object_that_lacks_it() -> None:
    assert yaml_places("stages: [a]\njobs:\n- {}\n- x\n")[:3] == [
        ("/stages/0", 1, 10), ("/jobs/0/name", 3, 3), ("/jobs/0/stage", 3, 3),
    ]  # fmt: skip


def test_columns_count_characters() -> None:
    assert yaml_places('# é\nstages: [a]\njobs: []\nlabels: {"😀é": x, b: 1}\n')[1] == ("/labels/b", 4, 19)


@pytest.mark.parametrize(
    "media_type", ["application/yaml", "application/x-yaml", "text/yaml", "Text/YAML; charset=utf-8"]
)
def test_yaml_has_several_names(media_type: str) -> None:
    assert parse(YAML.encode(), media_type=media_type, limits=Limits()).jobs


def test_yaml_and_json_give_the_same_document() -> None:
    assert parse_yaml(YAML) == parse_value(
        document({"name": "one", "stage": "build", "kind": "Shell", "version": "1.0.0", "params": {"command": "make"}})
    )
