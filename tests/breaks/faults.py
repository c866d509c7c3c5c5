"""What a deliberate fault is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """`old` stands once in the file and becomes `new`; then some of the tests must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
