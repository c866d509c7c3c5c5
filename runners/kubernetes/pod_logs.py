"""Following a container's log by short reads: no line twice, none skipped unless the node has dropped it.

The API resumes by time, in whole seconds (the API server cuts the fraction of `sinceTime`). So every line is asked
for with its timestamp, the second of the last one is read again, and what was taken of it is dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Cursor:
    """How far a container's log was read: the last line's timestamp, and the bytes taken from there on."""

    stamp: str = ""
    taken: int = 0

    @property
    def since(self) -> str | None:
        """What to ask for as `sinceTime`; None is from the start."""
        match = _STAMP.fullmatch(self.stamp)
        return None if match is None else f"{match[1]}{match[3]}"

    def next_second(self) -> Cursor:
        """Past the second that is being read: for one that says more than anybody reads."""
        second, _ = _moment(self.stamp)
        return Cursor(f"{second + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000000Z")

    def to_json(self) -> list[str | int]:
        return [self.stamp, self.taken]

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Rebuild what `to_json` made; anything else is the start of the log."""
        match value:
            case [str(stamp), int(taken)]:
                return cls(stamp, taken)
        return cls()


@dataclass(frozen=True)
class LogPage:
    """What a read added. `more`: there is more to read now. `gap`: lines between may be missing."""

    text: bytes
    cursor: Cursor
    more: bool = False
    gap: bool = False


def page_of(raw: bytes, *, cursor: Cursor, cut: bool) -> LogPage:
    """What is new in an answer with timestamps; `cut` says that it was as long as was allowed.

    Of a cut answer only whole lines are taken, unless the first new one is longer than the answer.
    """
    lines = list(_stamped(raw))
    if cut and len(lines) > 1 and not lines[-1][1].endswith(b"\n"):
        whole = _after(lines[:-1], cursor=cursor)
        if whole.text:
            return LogPage(whole.text, whole.cursor, more=True, gap=whole.gap)
    page = _after(lines, cursor=cursor)
    text = _whole_characters(page.text) if cut else page.text
    lost = len(page.text) - len(text)
    return LogPage(text, Cursor(page.cursor.stamp, page.cursor.taken - lost), more=cut, gap=page.gap)


def _stamped(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Each line with its timestamp apart; the node stamps every line, so a rest without one is a cut stamp."""
    for line in _split(raw):
        stamp, space, text = line.partition(b" ")
        if space and _STAMP.fullmatch(stamp.decode("ascii", "replace")):
            yield stamp.decode("ascii"), text


def _split(raw: bytes) -> Iterator[bytes]:
    """Lines as the node ends them; `splitlines` would end one at a carriage return too."""
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start) + 1 or len(raw)
        yield raw[start:end]
        start = end


def _after(lines: list[tuple[str, bytes]], *, cursor: Cursor) -> LogPage:
    found = next((at for at, (stamp, _) in enumerate(lines) if stamp == cursor.stamp), None)
    if found is None:
        # By order when the line itself is gone: the node has rotated its file.
        fresh = [line for line in lines if not cursor.stamp or _moment(line[0]) > _moment(cursor.stamp)]
        skip, gap = 0, bool(cursor.stamp and cursor.taken and fresh)
    else:
        fresh, skip, gap = lines[found:], cursor.taken, False
    text = b"".join(text for _, text in fresh)
    if len(text) <= skip:
        return LogPage(b"", cursor)
    last = fresh[-1][0]
    first_of_last = next(at for at, (stamp, _) in enumerate(fresh) if stamp == last)
    taken = sum(len(text) for _, text in fresh[first_of_last:])
    return LogPage(text[skip:], Cursor(last, taken), gap=gap)


def _moment(stamp: str) -> tuple[datetime, str]:
    """Second and fraction, to compare: nodes write the offset of their own time zone, which may change."""
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return datetime.min.replace(tzinfo=UTC), ""
    return datetime.fromisoformat(f"{match[1]}{match[3]}").astimezone(UTC), (match[2] or "").ljust(9, "0")


def _whole_characters(text: bytes) -> bytes:
    """Without a UTF-8 character that was cut at the end."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte & 0xC0 != 0x80:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return text if width <= back else text[:-back]
    return text
