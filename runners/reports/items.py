"""The items of a report and their replies (contract section 7)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipelines.definition.limits import MAX_DEPTH
from pipelines.definition.values import unusable
from pipelines.wording import pointer

MAX_ITEMS = 1000
MAX_BYTES = 4 << 20
MESSAGE_BYTES = 4096
RESULT_BYTES = 256 << 10
LOG_BYTES = 1 << 20
DETAIL_CHARS = 500
_NOT_UTF8 = "text must be valid Unicode"


class Reply(TypedDict, total=False):
    """What an item is answered: `cancel` tells the runner to stop the attempt, `size` how much log is held."""

    job: int | None
    attempt: int | None
    event: str | None
    status: int
    detail: str
    cancel: bool
    lease_seconds: float
    size: int


class _Item(BaseModel):
    # Unknown members are passed over: a runner may be newer than its service.
    model_config = ConfigDict(strict=True, frozen=True)

    job: int = Field(ge=1, lt=2**63)
    attempt: int = Field(ge=1, lt=2**31)


class Started(_Item):
    event: Literal["started"]
    worker: str = Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")


class Progress(_Item):
    event: Literal["progress"]
    progress: int | None = Field(default=None, ge=0, le=100)
    message: str | None = None


class Log(_Item):
    event: Literal["log"]
    offset: int = Field(ge=0, lt=2**62)
    text: str


class Alive(_Item):
    event: Literal["alive"]


class Finished(_Item):
    event: Literal["finished"]
    outcome: Literal["succeeded", "failed", "timed_out", "cancelled"]
    exit_code: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    signal: int | None = Field(default=None, ge=0, lt=2**31)
    reason: str | None = Field(default=None, max_length=64)
    message: str | None = None
    result: Any = None


class Returned(_Item):
    event: Literal["returned"]
    reason: str | None = Field(default=None, max_length=64)
    message: str | None = None


Item = Started | Progress | Log | Alive | Finished | Returned
_ITEM: TypeAdapter[Item] = TypeAdapter(Annotated[Item, Field(discriminator="event")])


def read_item(raw: Any) -> Item | Reply:
    """Return the item, or the reply that refuses it; one bad item fails alone."""
    try:
        item = _ITEM.validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return refuse(raw, status=400, detail=f"{where}: {first['msg']}" if where else first["msg"])
    if isinstance(item, Log) and not _is_utf8(item.text):
        return refuse(raw, status=400, detail=_NOT_UTF8)
    if isinstance(item, Log) and len(item.text.encode()) > LOG_BYTES:
        return refuse(raw, status=413, detail=f"a log item holds at most {LOG_BYTES} bytes")
    if isinstance(item, Finished) and item.result is not None:
        if problem := next(unusable(item.result, max_depth=MAX_DEPTH, path=("result",)), None):
            return refuse(raw, status=400, detail=f"{pointer(problem.path)}: {problem.detail}")
        if len(json.dumps(item.result)) > RESULT_BYTES:
            return refuse(raw, status=413, detail=f"a result holds at most {RESULT_BYTES} bytes of JSON")
    return item


def refuse(raw: Any, *, status: int, detail: str) -> Reply:
    """Return the reply to an item that cannot be taken, naming it as far as it named itself."""
    members = raw if isinstance(raw, dict) else {}
    job, attempt, event = members.get("job"), members.get("attempt"), members.get("event")
    return Reply(
        job=job if isinstance(job, int) and not isinstance(job, bool) else None,
        attempt=attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else None,
        event=event if isinstance(event, str) and len(event) <= 32 and _is_utf8(event) else None,
        status=status,
        detail=detail[:DETAIL_CHARS],  # it may quote what was sent
        cancel=False,
        lease_seconds=0,
    )


def clean(text: str | None) -> str:
    """Return the text as PostgreSQL can keep it, cut to MESSAGE_BYTES: bad characters and NULs are replaced."""
    readable = (text or "").encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return readable.encode()[:MESSAGE_BYTES].decode("utf-8", "ignore")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
