"""How large a document may be."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that a document keeps before anything is built of it, so that no input can exhaust the process."""

    max_jobs: int = 20_000
    max_depth: int = MAX_DEPTH
    max_nodes: int = 1_000_000
    """Values and keys, counted as often as aliases repeat them."""
    max_characters: int = 16 * 1024 * 1024
    """Of all strings together, counted as often as aliases repeat them."""
