"""The fields of a document and their rules: the one place from which parsing, editing and the JSON Schema follow."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import Url

from pipelines.kinds import VERSION_LENGTH, bounded
from pipelines.wording import matching

PRIORITY_MAX = 32767
RETRIES_MAX = 100
TIMEOUT_MAX = 365 * 24 * 60 * 60
LABELS_MAX = 64

END = r"$(?!\n)"
"""The end of a pattern in a JSON Schema: in some languages `$` alone lets a line break follow."""

_SMALLER_FIRST = "Smaller number = higher priority."
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_URL = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#\\\u0000-\u0020\u007f][^\s\\\u0000-\u0020\u007f]*")


def _label(key: str) -> str:
    if "=" in key:
        raise ValueError("the name of a label must not contain '='")
    return key


def _http_url(text: str) -> str:
    try:
        url = Url(text) if _URL.fullmatch(text) else None
    except ValueError:
        url = None
    if url is None or not url.host:
        raise ValueError("must be a URL that begins with http:// or https://")
    if url.username or url.password:
        raise ValueError("must not contain a user name or password: requests are signed instead")
    return text


def _schema(**keywords: Any) -> Any:
    """Say in JSON Schema what the validators beside it check."""
    return Field(json_schema_extra=keywords)


_PRINTABLE = (
    matching(f"^[^{_CONTROL}]*$", otherwise="must not contain control characters, line breaks and tabs included"),
    _schema(pattern=f"^[^{_CONTROL}]*{END}"),
)

Name = Annotated[str, Field(min_length=1, max_length=255), *_PRINTABLE]
LabelKey = Annotated[
    str,
    Field(min_length=1, max_length=63),
    *_PRINTABLE,
    AfterValidator(_label),
    _schema(pattern=f"^[^={_CONTROL}]{{1,63}}{END}"),
]
LabelValue = Annotated[str, Field(max_length=255), *_PRINTABLE]
CallbackUrl = Annotated[
    str, Field(max_length=2048), AfterValidator(_http_url), _schema(pattern=f"^{_URL.pattern}{END}")
]
Priority = Annotated[int, Field(ge=0, le=PRIORITY_MAX)]


class Fields(BaseModel):
    """Base: wrong types are refused, never coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PipelineChanges(Fields):
    """What can be changed of a pipeline that exists."""

    name: Name | None = Field(None, description="What people call the pipeline.")
    priority: Priority = Field(10, description=f"Order among the client's pipelines. {_SMALLER_FIRST}")
    labels: Annotated[
        dict[LabelKey, LabelValue],
        Field(max_length=LABELS_MAX),
        BeforeValidator(partial(bounded, most=LABELS_MAX)),
        _schema(additionalProperties=False),
    ] = Field({}, description="Names and values to find the pipeline by.")


class DocumentFields(PipelineChanges):
    """A pipeline: stages that run one after the other, and the jobs of each, which run side by side."""

    callback_url: CallbackUrl | None = Field(None, description="Told by a signed POST when the pipeline has ended.")
    stages: Annotated[list[Name], Field(min_length=1), _schema(uniqueItems=True)] = Field(
        description="Names of the stages, first to last; each has at least one job."
    )
    jobs: Annotated[list[Any], Field(min_length=1)] = Field(description="All jobs of the pipeline.")


class JobChanges(Fields):
    """What can be changed of a job that waits."""

    priority: Priority = Field(10, description=f"Order within the stage. {_SMALLER_FIRST}")
    params: dict[str, Any] = Field({}, description="Parameters, as the kind's schema says.")
    retry_attempt: Annotated[int, Field(ge=0, le=RETRIES_MAX)] = Field(
        0, description="How often the job is tried again after it failed or timed out."
    )
    allow_failure: bool = Field(False, description="Whether the pipeline goes on when this job fails.")
    timeout: Annotated[int, Field(ge=1, le=TIMEOUT_MAX)] | None = Field(
        None, description="Seconds that an attempt may run; none by default."
    )


class _JobIdentity(Fields):
    name: Name = Field(description="Unique in the pipeline.")
    stage: Name = Field(description="Name of the stage to which the job belongs.")
    kind: Name = Field(description="What sort of work it is.")
    version: Annotated[str, Field(min_length=1, max_length=VERSION_LENGTH)] = Field(
        description="Version (MAJOR.MINOR.PATCH) of the kind's parameters that the job is written for."
    )


class JobFields(JobChanges, _JobIdentity):
    """The smallest unit of work: one command, one request."""

    params: dict[str, Any] = Field(description="Parameters, as the kind's schema says.")
