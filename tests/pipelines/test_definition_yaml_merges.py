"""Aliases and merges of YAML: what they are taken for, and where mistakes behind them are said to be."""

from __future__ import annotations

import pytest

from pipelines.definition import DocumentErrors
from tests.pipelines.documents import YAML, parse_yaml, yaml_places, yaml_value


def test_aliases_and_merges_are_taken() -> None:
    text = """\
name: &name build
stages: [*name]
jobs:
- &first
  name: one
  stage: *name
  kind: Shell
  version: 1.0.0
  priority: 1
  params: &params {command: make, env: {A: "1"}}
- <<: *first
  name: two
- <<: [{priority: 7, timeout: 5}, *first]
  priority: 3
  name: three
  params: {<<: *params, command: make all}
"""
    first, second, third = parse_yaml(text).jobs

    assert (second.name, second.priority, second.params) == ("two", 1, first.params)
    assert (third.priority, third.timeout) == (3, 5)
    assert third.params == {"command": "make all", "env": {"A": "1"}}


def test_of_several_sources_merged_the_first_wins_and_own_entries_always() -> None:
    assert yaml_value("{z: 0, <<: [{a: 1, b: 1}, {b: 2, c: 2, z: 2}], c: 3}") == {"z": 0, "a": 1, "b": 1, "c": 3}


def test_a_quoted_merge_sign_is_an_ordinary_key() -> None:
    assert yaml_value('{"<<": {a: 1}}') == {"<<": {"a": 1}}


@pytest.mark.parametrize("source", ["x", "[x]", "[{a: 1}, 5]", "~"])
def test_a_merge_of_anything_but_mappings_is_refused(source: str) -> None:
    with pytest.raises(DocumentErrors) as refusal:
        yaml_value(f"a:\n  <<: {source}\n")

    (error,) = refusal.value.errors
    assert error.detail == "'<<' takes a mapping, or a list of mappings, to merge"


def test_a_mistake_in_what_is_merged_is_told_where_it_is_written() -> None:
    text = YAML.replace("- name: one", "- &one\n  name: one") + "  timout: 5\n- <<: *one\n  name: two\n"

    assert yaml_places(text) == [("/jobs/0/timout", 10, 3), ("/jobs/1/timout", 10, 3)]


def test_a_mistake_behind_an_alias_is_told_at_the_alias_or_inside_what_it_repeats() -> None:
    text = f"labels: &bad {{a: 1}}\ncallback_url: *bad\n{YAML}"

    assert yaml_places(text) == [("/labels/a", 1, 15), ("/callback_url", 2, 1)]


def test_a_second_merge_is_a_repeated_key() -> None:
    with pytest.raises(DocumentErrors) as refusal:
        yaml_value("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n")

    assert [(error.pointer, error.column) for error in refusal.value.errors] == [("/b/<<", 13)]
