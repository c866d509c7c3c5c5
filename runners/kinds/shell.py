"""Shell: a command on the machine of a server runner."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from pipelines.kinds import Kind, Params, bounded, register
from pipelines.wording import matching, quoted

DEFAULT_SHELL = "/bin/sh -c"

# Linux takes no single argument or environment entry of 128 KiB or more (MAX_ARG_STRLEN).
_ARGUMENT_BYTES = 128 * 1024 - 1
_ITEMS = 10_000
_NO_NUL = r"^[^\u0000]*$"
_NAME = r"^[^=\u0000]+$"
_PATH = r"^/[^\u0000]*$"
_PROGRAM = {"type": "string", "minLength": 1, "maxLength": _ARGUMENT_BYTES, "pattern": _NO_NUL}


def _fits(text: str) -> str:
    if len(text) > _ARGUMENT_BYTES // 4 and len(text.encode()) > _ARGUMENT_BYTES:
        raise ValueError(f"must have at most {_ARGUMENT_BYTES} bytes, as Linux allows: pass more in 'stdin'")
    return text


def _variable(name: str) -> str:
    if "=" in name or "\0" in name:
        raise ValueError("the name of an environment variable must contain neither '=' nor a NUL character")
    return name


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"must be an absolute path, one that starts with '/', not {quoted(path)}")
    return path


def _splits(shell: str) -> str:
    try:
        words = shlex.split(shell)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {error}") from error
    if not words or not words[0]:
        raise ValueError(f"must name a program, for example '{DEFAULT_SHELL}'")
    return shell


def _schema(**keywords: Any) -> Any:
    """Say in JSON Schema what the validators beside it check."""
    return Field(json_schema_extra=keywords)


Text = Annotated[str, matching(_NO_NUL, otherwise="must not contain a NUL character: no program can be given one")]
Argument = Annotated[Text, AfterValidator(_fits), _schema(maxLength=_ARGUMENT_BYTES)]
Variable = Annotated[str, Field(min_length=1), AfterValidator(_variable), _schema(pattern=_NAME)]
Directory = Annotated[Text, AfterValidator(_absolute), _schema(pattern=_PATH)]


class ShellParams(Params):
    """Parameters of a Shell job."""

    model_config = ConfigDict(
        json_schema_extra={"not": {"required": ["command", "shell"], "properties": {"command": {"type": "array"}}}}
    )

    command: (
        Annotated[Argument, Field(min_length=1)]
        | Annotated[list[Argument], Field(min_length=1, max_length=_ITEMS), _schema(prefixItems=[_PROGRAM])]
    ) = Field(description="A string is run by `shell`; a list is a program and its arguments, run as it is.")
    env: Annotated[
        dict[Variable, Argument],
        Field(max_length=_ITEMS),
        BeforeValidator(partial(bounded, most=_ITEMS)),
        _schema(additionalProperties=False),
    ] = Field(
        default_factory=dict,  # a default that is an object pydantic would copy each time, in Python
        json_schema_extra={"default": {}},
        description="Environment variables, beside PATH, HOME, LANG, TASKPIPELINE_JOB and TASKPIPELINE_ATTEMPT.",
    )
    cwd: Directory | None = Field(
        None, description="An absolute path to work in; left out, a fresh directory that is removed afterwards."
    )
    stdin: Text | None = Field(None, description="What the command reads from its standard input.")
    shell: Annotated[Text, AfterValidator(_splits)] = Field(
        DEFAULT_SHELL, description="The program that runs a `command` string, split into words as a shell does it."
    )

    @field_validator("command")
    @classmethod
    def _names_a_program(cls, command: str | list[str]) -> str | list[str]:
        if not command[0]:
            raise ValueError("must begin with the name of a program")
        return command

    @field_validator("shell")
    @classmethod
    def _is_used(cls, shell: str, info: ValidationInfo) -> str:
        if isinstance(info.data.get("command"), list):
            raise ValueError("has no effect on a command that is a list: remove it, or make the command a string")
        return shell


@register
class Shell(Kind):
    """A command on the machine of a server runner, with the rights of that runner's user."""

    name = "Shell"
    version = "1.0.0"
    runner_type = "server"
    summary = "Run a shell command or a program on a server."
    params_model = ShellParams
    example: ClassVar[Mapping[str, Any]] = {"command": "make test", "env": {"CI": "true"}}
