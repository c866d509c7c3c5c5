"""What holds for any document: generated ones, broken ones, and bytes that are none."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipelines.definition import DocumentErrors, Limits, load, parse
from pipelines.definition.scalars import resolve
from pipelines.definition.schema import document_schema

JSON, YAML = "application/json", "application/yaml"
LIMITS = Limits()
thorough = settings(deadline=None, max_examples=60)
VALIDATOR = Draft202012Validator(document_schema(max_jobs=LIMITS.max_jobs))

CONTROLS = "".join(map(chr, [*range(32), *range(0x7F, 0xA0)]))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VARIABLES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0="), min_size=1, max_size=8)
# Words that YAML could take for something else are what quotes are for.
WORDS = st.sampled_from(
    ["yes", "010", "1.0", "null", "~", "<<", "2024-01-01", "0x1F", ".inf", "", " a ", "- b", "k: v"]
)
COMMANDS = st.one_of(TEXTS, WORDS).filter(bool) | st.lists(TEXTS | WORDS, min_size=1).filter(lambda words: words[0])


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    stages = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    names = draw(st.lists(NAMES, min_size=len(stages), max_size=8, unique=True))
    jobs = [
        {
            "name": name,
            # Each stage has a job, the rest are wherever.
            "stage": stages[index] if index < len(stages) else draw(st.sampled_from(stages)),
            "kind": "Shell",
            "version": "1.0.0",
            "params": {"command": draw(COMMANDS), "env": draw(st.dictionaries(VARIABLES, TEXTS | WORDS, max_size=3))},
            **draw(st.fixed_dictionaries({}, optional=OPTIONAL_OF_JOBS)),
        }
        for index, name in enumerate(names)
    ]
    return {"stages": stages, "jobs": jobs, **draw(st.fixed_dictionaries({}, optional=OPTIONAL))}


OPTIONAL_OF_JOBS: dict[str, st.SearchStrategy[Any]] = {
    "priority": st.integers(0, 32767),
    "retry_attempt": st.integers(0, 100),
    "allow_failure": st.booleans(),
    "timeout": st.integers(1, 31536000) | st.none(),
}
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES | st.none(),
    "priority": st.integers(0, 32767),
    "labels": st.dictionaries(NAMES.filter(lambda name: "=" not in name), NAMES, max_size=3),
    "callback_url": st.sampled_from(["https://example.com", "http://127.0.0.1:8000/x?y"]) | st.none(),
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


class Writer(yaml.CSafeDumper):
    """Writes strings in quotes where YAML 1.2 needs them; PyYAML by itself does where 1.1 does."""


def represent_string(writer: Writer, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if resolve(text) == text else '"')


Writer.add_representer(str, represent_string)


def as_yaml(value: Any) -> bytes:
    return yaml.dump(value, Dumper=Writer, sort_keys=False).encode()


@thorough
@given(documents())
def test_json_and_yaml_say_the_same(value: dict[str, Any]) -> None:
    from_json = parse(json.dumps(value).encode(), media_type=JSON, limits=LIMITS)
    from_yaml = parse(as_yaml(value), media_type=YAML, limits=LIMITS)

    assert from_json == from_yaml
    assert [job.params for job in from_json.jobs] == [job["params"] for job in value["jobs"]]


@thorough
@given(documents())
def test_the_schema_takes_every_document_that_is_parsed(value: dict[str, Any]) -> None:
    parse(json.dumps(value).encode(), media_type=JSON, limits=LIMITS)

    assert VALIDATOR.is_valid(value)


@thorough
@given(documents(), VALUES, st.randoms(use_true_random=False))
def test_a_broken_document_is_told_at_places_that_are_there_or_missing(
    value: dict[str, Any], junk: Any, chance: random.Random
) -> None:
    broken = broken_somewhere(value, junk=junk, chance=chance)
    for media_type, body in (
        (JSON, json.dumps(broken).encode()),
        (YAML, as_yaml(broken)),
    ):
        try:
            parse(body, media_type=media_type, limits=LIMITS)
        except DocumentErrors as refusal:
            assert refusal.errors
            for error in refusal.errors:
                assert is_at_hand(error.pointer, value=broken), error
                assert error.detail
            assert_in_order([(error.line, error.column) for error in refusal.errors if error.line and error.column])
        else:
            assert VALIDATOR.is_valid(broken)


def broken_somewhere(value: dict[str, Any], *, junk: Any, chance: random.Random) -> Any:
    """Return a copy in which one place, found by going down at random, is replaced, removed or added."""
    broken: Any = copy.deepcopy(value)
    here: Any = broken
    while True:
        places: list[Any] = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not places:
            break
        place = chance.choice(places)
        if isinstance(here[place], dict | list) and chance.random() < 0.7:
            here = here[place]
            continue
        action = chance.choice(["replace", "remove", "misspell"])
        if action == "replace" or not isinstance(here, dict):
            here[place] = junk
        else:
            moved = here.pop(place)
            if action == "misspell":
                here[f"{place[:-1]}x"] = moved
        break
    return broken


def is_at_hand(pointer: str, *, value: Any) -> bool:
    """Tell whether a pointer leads to a value, or to a field missing from an object that is there."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for depth, part in enumerate(parts, start=1):
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            if encodable(part) not in {encodable(key) for key in value}:
                return depth == len(parts)
            value = next(item for key, item in value.items() if encodable(key) == encodable(part))
        else:
            return False
    return True


def encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def assert_in_order(places: list[tuple[int, int]]) -> None:
    assert places == sorted(places)


@thorough
@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")), st.sampled_from([JSON, YAML]))
@example(b"\xef\xbb\xbf", YAML)
@example(b"? ", YAML)
@example(b"- &a *a", YAML)
@example(b"<<: {}", YAML)
def test_garbage_is_refused_and_nothing_else(body: bytes, media_type: str) -> None:
    try:
        parse(body, media_type=media_type, limits=LIMITS)
    except DocumentErrors as refusal:
        json.dumps([error.pointer + error.detail for error in refusal.errors], ensure_ascii=False).encode()
    else:
        raise AssertionError("garbage was taken for a document")


TOKENS = [
    "a", "b: ", "- ", "? ", ": ", "[", "]", "{", "}", ", ", "\n", "\n  ", "\n    ", "\t", "&a ", "*a ", "<<: ", "!t ",
    "|\n", ">\n", "'", '"', "#", "--- ", "...", "%TAG ! a\n", "stages: ", "jobs: ", "1", "~", ".nan", "@", "\0", "é",
    "\\0", "\\ud800",
]  # fmt: skip


@thorough
@given(st.lists(st.sampled_from(TOKENS), max_size=30))
def test_whatever_looks_like_yaml_is_read_or_refused(tokens: list[str]) -> None:
    body = "".join(tokens).encode()
    try:
        value = load(body, media_type=YAML, limits=LIMITS)
    except DocumentErrors as refusal:
        assert all(error.detail for error in refusal.errors)
    else:
        assert json.loads(json.dumps(value, allow_nan=False)) == value


@thorough
@given(VALUES)
def test_json_values_are_read_as_the_standard_library_reads_them_or_refused(value: Any) -> None:
    body = json.dumps(value).encode()
    try:
        found = load(body, media_type=JSON, limits=LIMITS)
    except DocumentErrors:
        return
    assert found == json.loads(body)
