"""The log of an attempt: bytes of UTF-8 at the offsets at which the runner reported them, the middle cut when long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, F, Func

from pipelines.models import Job
from runners.models import Attempt, LogChunk

_LOOK_SECONDS = 0.25
_CHUNK_BYTES = 64 << 10
_END = F("offset") + Func("content", function="octet_length", output_field=BigIntegerField())


class Gap(Exception):
    """A piece starts behind the end of what is held; its sender goes back to `size`."""

    def __init__(self, *, size: int) -> None:
        super().__init__(f"The log is held up to byte {size}.")
        self.size = size


@dataclass(frozen=True)
class Excerpt:
    """A part of a log, from `offset` to the attempt's `log_size`."""

    content: bytes
    offset: int


class Appends:
    """Gathers the pieces of many attempts, so that all are written at once and each in as few rows as may be."""

    def __init__(self) -> None:
        self._chunks: dict[int, tuple[Attempt, int, list[bytes]]] = {}

    def add(self, attempt: Attempt, *, offset: int, text: bytes) -> None:
        """Take what is new of the piece and count it in the attempt's `log_size`; raise Gap.

        An overlap adds only its new part; a piece that lies behind entirely adds nothing.
        """
        if offset > attempt.log_size:
            raise Gap(size=attempt.log_size)
        new = text[attempt.log_size - offset :]
        if new:
            self._chunks.setdefault(attempt.pk, (attempt, attempt.log_size, []))[2].append(new)
            attempt.log_size += len(new)

    def write(self) -> None:
        """Write the gathered pieces and cut what is past the limit, in two statements for all attempts.

        The caller holds the jobs' row locks and has written the attempts' `log_size`.
        """
        LogChunk.objects.bulk_create(
            LogChunk(attempt=attempt, offset=start, content=content)
            for attempt, offset, pieces in self._chunks.values()
            for start, content in _split(b"".join(pieces), offset=offset)
            if not _lies_in_the_cut(attempt, start=start, end=start + len(content))
        )
        limit = settings.LOG_LIMIT_BYTES
        long = [attempt for attempt, _, _ in self._chunks.values() if attempt.log_size > limit]
        if long:
            reach = F("attempt__log_size") - limit // 2
            chunks = LogChunk.objects.filter(attempt__in=long, offset__lt=reach).annotate(end=_END)
            chunks.filter(end__gt=limit // 2).delete()


def _lies_in_the_cut(attempt: Attempt, *, start: int, end: int) -> bool:
    """Tell whether the bytes lie, be it in part, in what is dropped of a long log.

    Half the limit is kept from its start, half before its end.
    """
    half = settings.LOG_LIMIT_BYTES // 2
    return attempt.log_size > settings.LOG_LIMIT_BYTES and end > half and start < attempt.log_size - half


def _split(text: bytes, *, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the text in chunks with their offsets, no character torn; chunks are cut whole, so they are kept small."""
    size = min(_CHUNK_BYTES, settings.LOG_LIMIT_BYTES // 16)
    start = 0
    while start < len(text):
        end = start + size
        while end < len(text) and text[end] & 0xC0 == 0x80:
            end -= 1
        yield offset + start, text[start:end]
        start = end


def read(attempt: Attempt, *, offset: int) -> Excerpt:
    """Return the log from the offset to the attempt's `log_size`; a notice stands in for what was cut."""
    position = offset = min(offset, attempt.log_size)
    chunks = LogChunk.objects.filter(attempt=attempt, offset__lt=attempt.log_size).annotate(end=_END)
    parts: list[bytes] = []
    for chunk in chunks.filter(end__gt=position).order_by("offset").iterator(chunk_size=16):
        if chunk.offset > position:
            parts.append(_notice(chunk.offset - position))
            position = chunk.offset
        parts.append(bytes(chunk.content)[position - chunk.offset :])
        position += len(parts[-1])
    return Excerpt(content=b"".join(parts), offset=offset)


def wait_for_more(attempt: Attempt, *, offset: int, until: float) -> Attempt:
    """Wait until the log goes beyond the offset or the attempt is over; return it as it then is.

    At most until that moment of `time.monotonic`. Raises DoesNotExist if it is deleted meanwhile.
    """
    while attempt.log_size <= offset and not attempt.is_over and time.monotonic() < until:
        _pause()
        attempt.refresh_from_db(fields=["log_size", "outcome"])
    return attempt


def wait_for_attempt(job: Job, *, until: float) -> None:
    """Wait likewise until the job, which was not attempted yet, is, or has ended without."""
    while not job.attempt and not job.is_finished and time.monotonic() < until:
        _pause()
        job.refresh_from_db(fields=["attempt", "state"])


def _pause() -> None:
    # Between two looks no database connection is held.
    connection.close()
    time.sleep(_LOOK_SECONDS)


def _notice(size: int) -> bytes:
    return f"\n[... {size} bytes of log cut: over the limit of {settings.LOG_LIMIT_BYTES} bytes ...]\n".encode()
