"""Keep secret values out of texts: wherever one stands, in clear or in base64, `***` is put in its place.

Pure, and used on both sides: by the agent before a log leaves its process, by the service for logs that it copies.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"
MIN_CHARACTERS = 6
"""Shorter values are not masked: they would hide half of every log and be told by it."""

# Of longer values no single lines are masked: every form costs a search of each piece of log.
_LINES_CHARACTERS = 4096
_WRAPS = (64, 76)  # how openssl and base64 break their lines
_URL_SAFE = str.maketrans("+/", "-_")


class Masker:
    """Masks some values. What stands for them is the union of all places where one of their forms is found."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in forms_of(value)}
        self._forms = sorted(forms, key=len, reverse=True)
        self.longest = len(self._forms[0]) if self._forms else 0

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __repr__(self) -> str:
        return f"<masker of {len(self._forms)} forms>"

    def text(self, text: str) -> str:
        """Return the text, masked."""
        stream = MaskedStream(self)
        return stream.feed(text) + stream.flush()

    def excerpt(self, text: str) -> str:
        """Return a text, masked, that somebody may have cut off: what it ends in the middle of is masked too."""
        body = text.removesuffix("…")
        stream = MaskedStream(self)
        told = stream.feed(body)
        held, covered = stream.state
        if len(held) - covered < MIN_CHARACTERS:
            return told + stream.flush() + text[len(body) :]
        return told + MASK + text[len(body) :]

    def value(self, value: Any) -> Any:
        """Return a JSON value with all its texts masked, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(name): self.value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def found(self, text: str, *, before: int) -> list[tuple[int, int]]:
        """Return where forms stand that begin before that position, as sorted (start, end); they may overlap."""
        found = []
        for form in self._forms:
            size = len(form)
            start = text.find(form, 0, before + size - 1)
            while start != -1:
                end = start + size
                # Of those that overlap this one the last will do: the union is the same, however often it repeats.
                while (later := text.rfind(form, end - size + 1, min(end + size - 1, before + size - 1))) != -1:
                    end = later + size
                found.append((start, end))
                start = text.find(form, end, before + size - 1)
        return sorted(found)

    def undecided(self, text: str) -> int:
        """Return the first position from which the rest of the text may be the beginning of a form."""
        first = len(text)
        for form in self._forms:
            # What is undecided already need not be looked at again.
            first = min(first, self._beginning(form, text=text, first=first))
        return first

    def _beginning(self, form: str, *, text: str, first: int) -> int:
        head = form[:MIN_CHARACTERS]
        at = text.find(head, max(len(text) - len(form) + 1, 0), first + len(head) - 1)
        for _ in range(_TRIES):
            if at == -1:
                break
            if form.startswith(text[at:]):
                return at
            at = text.find(head, at + 1, first + len(head) - 1)
        else:
            if at != -1:  # a text that is nearly the form, over and over: holding back more does no harm
                return at
        for size in range(min(len(head) - 1, len(text)), 0, -1):
            if len(text) - size >= first:
                break
            if text.endswith(head[:size]):
                return len(text) - size
        return first


_TRIES = 32


class MaskedStream:
    """Masks a text that comes in pieces: however it is cut, the same comes out.

    Held back is only what may be the beginning of a form, so always less than the longest of them. `state` is what
    to make the stream anew from, in another process: it holds a part of the text in clear.
    """

    def __init__(self, masker: Masker, *, state: tuple[str, int] = ("", 0)) -> None:
        self._masker = masker
        self._held, self._covered = state  # of what is held so many characters belong to a mask that is out already

    @property
    def state(self) -> tuple[str, int]:
        return self._held, self._covered

    def feed(self, text: str) -> str:
        """Take the next piece; return what can be told by now."""
        self._held += text
        return self._emit(self._masker.undecided(self._held))

    def flush(self) -> str:
        """Return the rest: nothing follows."""
        return self._emit(len(self._held))

    def _emit(self, until: int) -> str:
        text, told = self._held, self._covered
        parts = []
        for start, end in self._masker.found(text, before=until):
            if start >= told:
                parts += [text[told:start], MASK]
            told = max(told, end)
        if told < until:
            parts.append(text[told:until])
            told = until
        self._held, self._covered = text[until:], told - until
        return "".join(parts)


def forms_of(value: str) -> Iterator[str]:
    """Yield the texts by which a value is told; none of a short one.

    Itself, its lines, as JSON and Python's repr write it, and what base64 makes of it.
    """
    whole = value.strip()
    if len(value) < MIN_CHARACTERS or not whole:
        return
    yield value
    texts = dict.fromkeys((value, whole))
    if len(value) <= _LINES_CHARACTERS:
        yield from _long([line.strip() for line in value.splitlines()])
    for text in texts:
        if len(text) >= MIN_CHARACTERS:
            yield text
            yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
            for form in _long(_base64_forms(text.encode("utf-8", "surrogatepass"))):
                yield form
                yield form.translate(_URL_SAFE)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield its base64, as it is and as it stands within that of something longer, at each of the three alignments."""
    encoded = base64.b64encode(data).decode()
    yield encoded
    yield encoded.rstrip("=")
    for before in range(3):
        inner = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # At either end a character that also says something of the neighbour is not ours.
        yield inner[(0, 2, 3)[before] : len(inner) - (1 if (before + len(data)) % 3 else 0)]
    if len(data) <= _LINES_CHARACTERS:
        for width in _WRAPS:
            yield from (encoded[start : start + width] for start in range(0, len(encoded), width))


def _long(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if len(text) >= MIN_CHARACTERS)
