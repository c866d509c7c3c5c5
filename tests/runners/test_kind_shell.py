"""Shell's params: what no shell could be given is refused, with what to do instead."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipelines import kinds

SHELL = kinds.resolve("Shell", "1.0.0")
ARGUMENT_BYTES = 131071


def problems(params: dict[str, Any]) -> dict[tuple[Any, ...], str]:
    return {problem.path: problem.detail for problem in SHELL.problems(params)}


REFUSED: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    ({}, ("command",), "'command' is required"),
    ({"command": None}, ("command",), "must be a string or a list, not null"),
    ({"command": 5}, ("command",), "must be a string or a list, not the number 5"),
    ({"command": {"a": "b"}}, ("command",), "must be a string or a list, not an object"),
    ({"command": ""}, ("command",), "must have at least 1 character, not 0"),
    ({"command": []}, ("command",), "must hold at least 1 item, not 0"),
    ({"command": [""]}, ("command",), "must begin with the name of a program"),
    ({"command": ["a"] * 10_001}, ("command",), "must hold at most 10000 items, not 10001"),
    ({"command": ["ls", 5]}, ("command", 1), "must be a string, not the number 5"),
    ({"command": ["ls", None]}, ("command", 1), "must be a string, not null"),
    ({"command": "a\0b"}, ("command",), "must not contain a NUL character: no program can be given one"),
    ({"command": ["a", "\0"]}, ("command", 1), "must not contain a NUL character: no program can be given one"),
    (
        {"command": "x" * (ARGUMENT_BYTES + 1)},
        ("command",),
        "must have at most 131071 bytes, as Linux allows: pass more in 'stdin'",
    ),
    ({"command": "x", "env": []}, ("env",), "must be an object, not a list"),
    ({"command": "x", "env": {"A": 1}}, ("env", "A"), "must be a string, not the number 1"),
    ({"command": "x", "env": {"A": None}}, ("env", "A"), "must be a string, not null"),
    ({"command": "x", "env": {"A": True}}, ("env", "A"), "must be a string, not true"),
    ({"command": "x", "env": {"": "x"}}, ("env", ""), "its name must have at least 1 character, not 0"),
    (
        {"command": "x", "env": {"A=B": "x"}},
        ("env", "A=B"),
        "the name of an environment variable must contain neither '=' nor a NUL character",
    ),
    (
        {"command": "x", "env": {"A\0": "x"}},
        ("env", "A\0"),
        "the name of an environment variable must contain neither '=' nor a NUL character",
    ),
    ({"command": "x", "env": {"A": "\0"}}, ("env", "A"),
     "must not contain a NUL character: no program can be given one"),
    ({"command": "x", "cwd": "tmp"}, ("cwd",), "must be an absolute path, one that starts with '/', not 'tmp'"),
    ({"command": "x", "cwd": ""}, ("cwd",), "must be an absolute path, one that starts with '/', not ''"),
    ({"command": "x", "cwd": "/a\0"}, ("cwd",), "must not contain a NUL character: no program can be given one"),
    ({"command": "x", "stdin": 5}, ("stdin",), "must be a string, not the number 5"),
    ({"command": "x", "stdin": "\0"}, ("stdin",), "must not contain a NUL character: no program can be given one"),
    ({"command": "x", "shell": None}, ("shell",), "must be a string, not null"),
    ({"command": "x", "shell": ["/bin/sh", "-c"]}, ("shell",), "must be a string, not a list"),
    ({"command": ["x"], "shell": "/bin/sh -c"}, ("shell",),
     "has no effect on a command that is a list: remove it, or make the command a string"),
    ({"command": "x", "comand": "x"}, ("comand",), "'comand' is not a known field: did you mean 'command'?"),
]  # fmt: skip
# What JSON Schema cannot say: it counts characters, not bytes, and does not split words.
BEYOND_SCHEMA: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    (
        {"command": "é" * (ARGUMENT_BYTES // 2 + 1)},
        ("command",),
        "must have at most 131071 bytes, as Linux allows: pass more in 'stdin'",
    ),
    ({"command": "x", "shell": ""}, ("shell",), "must name a program, for example '/bin/sh -c'"),
    ({"command": "x", "shell": " \t"}, ("shell",), "must name a program, for example '/bin/sh -c'"),
    ({"command": "x", "shell": "'' -c"}, ("shell",), "must name a program, for example '/bin/sh -c'"),
    ({"command": "x", "shell": "/bin/sh '-c"}, ("shell",), "cannot be split into words: No closing quotation"),
]
TAKEN: list[dict[str, Any]] = [
    {"command": "true"},
    {"command": "x" * ARGUMENT_BYTES},
    {"command": "first\nsecond"},
    {"command": ["ls", "", "-l"]},
    {"command": ["a"] * 10_000},
    {"command": "x", "env": {"A": "", "đường dẫn": "x\n", "a.b-c": "="}},
    {"command": "x", "cwd": "/", "stdin": "x" * 1_000_000, "shell": "/bin/bash -euo pipefail -c"},
    {"command": "x", "cwd": None, "stdin": None},
    {"command": ["cat"], "stdin": ""},
]


@pytest.mark.parametrize(("params", "path", "detail"), REFUSED + BEYOND_SCHEMA)
def test_params_no_shell_could_use_are_refused(params: dict[str, Any], path: tuple[Any, ...], detail: str) -> None:
    assert problems(params) == {path: detail}


@pytest.mark.parametrize("params", TAKEN)
def test_params_a_shell_can_use_are_taken(params: dict[str, Any]) -> None:
    assert problems(params) == {}


def test_the_schema_says_what_the_checks_say() -> None:
    Draft202012Validator.check_schema(SHELL.schema())
    validator = Draft202012Validator(SHELL.schema())

    assert [params for params in TAKEN if not validator.is_valid(params)] == []
    assert [params for params, _, _ in REFUSED if validator.is_valid(params)] == []


def test_the_example_is_valid() -> None:
    assert problems(dict(SHELL.example)) == {}


def test_a_server_runner_executes_it() -> None:
    assert SHELL.runner_type == "server"
