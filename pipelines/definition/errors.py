"""What is wrong with a document, mistake by mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.definition.limits import Limits
from pipelines.exceptions import PipelineError

ERRORS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One mistake; line and column count from 1, and are known for YAML and for what cannot be read at all."""

    pointer: str
    detail: str
    line: int | None = None
    column: int | None = None


class DocumentErrors(PipelineError):
    """The document has mistakes; correct each of them and send it again.

    `errors` are at most 100 in document order; `errors_omitted` tells how many more there are.
    """

    def __init__(self, errors: Sequence[DocumentError], *, omitted: int = 0) -> None:
        self.errors = tuple(errors[:ERRORS_SHOWN])
        self.errors_omitted = omitted + len(errors) - len(self.errors)
        number = len(self.errors) + self.errors_omitted
        super().__init__(
            f"There {'is one mistake' if number == 1 else f'are {number} mistakes'} in what was sent, see 'errors'; "
            "correct and send it again."
        )


class UnsupportedMediaType(PipelineError):
    """A document is sent as application/json or application/yaml."""


Place = tuple[int, int]


def unreadable(detail: str, *, at: Place | None = None) -> DocumentErrors:
    """Return the error for a document that could not be read as a whole, with the place where reading ended."""
    return DocumentErrors([DocumentError("", detail, *(at or ()))])


def too_deep(limits: Limits, *, at: Place | None = None) -> DocumentErrors:
    return unreadable(f"this nests deeper than {limits.max_depth} levels", at=at)


def too_many_nodes(limits: Limits, *, at: Place | None = None) -> DocumentErrors:
    return unreadable(
        f"this holds more than {limits.max_nodes} values and keys, those repeated by aliases included", at=at
    )


def too_large(limits: Limits, *, at: Place | None = None) -> DocumentErrors:
    return unreadable(
        f"this holds more than {limits.max_characters} characters of text, those repeated by aliases included", at=at
    )
