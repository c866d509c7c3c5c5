"""The log of one attempt between the pipe and the service."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from runners.masking import MaskedStream, Masker

_CONTINUATION = 0b1000_0000


@dataclass(slots=True)
class Budget:
    """How many bytes all logs of this process hold."""

    held: int = 0


class Output:
    """UTF-8 text that the service has not confirmed yet; offsets count bytes of the text from 0.

    What is sent stays held until it is acknowledged, so that the service may send us back to what it holds. What the
    masker knows is masked before anything is held; without one nothing is looked at.
    """

    def __init__(self, *, budget: Budget, masker: Masker | None = None) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._masked = MaskedStream(masker) if masker else None
        self._budget = budget
        self._held = bytearray()
        self._base = 0  # offset of the first byte held: all before it is acknowledged
        self._sent = 0
        self._broken = False

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take bytes from the pipe; bad ones and NULs become U+FFFD."""
        text = self._decoder.decode(data, final).replace("\0", "\N{REPLACEMENT CHARACTER}")
        if self._masked is not None:
            text = self._masked.feed(text) + (self._masked.flush() if final else "")
        if self._broken or not text:
            return
        encoded = text.encode()
        self._held += encoded
        self._budget.held += len(encoded)

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    @property
    def unsent_bytes(self) -> int:
        return self._base + len(self._held) - self._sent

    def take(self, limit: int) -> tuple[int, str] | None:
        """Return the next offset and text to send, at most `limit` bytes, or None if all is sent."""
        start = self._sent - self._base
        stop = min(len(self._held), start + limit)
        while stop < len(self._held) and self._held[stop] & 0b1100_0000 == _CONTINUATION:
            stop -= 1  # never cut a character in two
        if stop <= start:
            return None
        offset, self._sent = self._sent, self._base + stop
        return offset, self._held[start:stop].decode()

    def acknowledge(self, end: int) -> None:
        """Let go of what the service has confirmed: everything before `end`."""
        count = min(end - self._base, len(self._held))
        if count > 0:
            del self._held[:count]
            self._base += count
            self._budget.held -= count
            self._sent = max(self._sent, self._base)

    def rewind(self, size: int | None = None) -> bool:
        """Send again from what the service holds (default: from what it confirmed).

        Return False, and hold no log any more, if that part is not here: nothing could fill the gap.
        """
        if size is None:
            self._sent = self._base
            return True
        position = size - self._base
        if not 0 <= position <= len(self._held) or self._cuts_character(position):
            self.discard()
            return False
        self._sent = size
        return True

    def discard(self) -> None:
        """Hold nothing and take nothing any more."""
        self._broken = True
        self._base += len(self._held)
        self._sent = self._base
        self._budget.held -= len(self._held)
        self._held.clear()

    def _cuts_character(self, position: int) -> bool:
        return position < len(self._held) and self._held[position] & 0b1100_0000 == _CONTINUATION
