from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case; an apostrophe or a hyphen inside one belongs to it."""
    return [word.lower() for word in WORD.findall(text)]


def count(lines: Iterable[str]) -> Counter[str]:
    """Count the words of all lines."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(words(line))
    return counts


def ranking(counts: Counter[str], *, top: int) -> list[tuple[str, int]]:
    """Return the most frequent words with their counts, equal counts in alphabetical order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
