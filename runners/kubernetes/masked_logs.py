"""A pod's log, masked: round by round, by whichever process copies the next part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from clients.sealing import seal, unseal
from runners.masking import MaskedStream, Masker


def prefixed(text: str, *, prefix: str) -> str:
    """Return the text with the prefix before each line."""
    # Lines as bytes have them: a text would also end them at what is no line break in a log.
    return "".join(prefix + line.decode() for line in text.encode().splitlines(keepends=True)) if prefix else text


@dataclass
class MaskedLog:
    """How far a pod's log is masked; its note is sealed, since what is held back is a part of the log in clear."""

    stream: MaskedStream
    prefix: str
    in_line: bool = False

    @classmethod
    def begin(cls, masker: Masker, *, prefix: str) -> Self:
        return cls(MaskedStream(masker), prefix=prefix)

    @classmethod
    def from_note(cls, note: str, *, masker: Masker) -> Self:
        """Go on from what `to_note` made."""
        held, covered, prefix, in_line = json.loads(unseal(note))
        return cls(MaskedStream(masker, state=(held, covered)), prefix=prefix, in_line=in_line)

    def to_note(self) -> str:
        return seal(json.dumps([*self.stream.state, self.prefix, self.in_line]))

    def feed(self, text: str) -> str:
        """Take what the pod says next; return what can be told by now, the prefix before each line that begins."""
        return self._told(self.stream.feed(text))

    def flush(self) -> str:
        """Return the rest: nothing follows."""
        return self._told(self.stream.flush())

    def _told(self, text: str) -> str:
        if not text:
            return ""
        told = prefixed(text, prefix=self.prefix)
        if self.in_line:
            told = told.removeprefix(self.prefix)
        self.in_line = not text.endswith("\n")
        return told
