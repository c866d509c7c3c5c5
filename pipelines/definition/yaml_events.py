"""YAML as libyaml's events: the one way into libyaml here, because its composer crashes on deep nesting."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yaml import CSafeLoader
from yaml.error import MarkedYAMLError
from yaml.events import DocumentEndEvent, DocumentStartEvent, Event, ScalarEvent, StreamEndEvent, StreamStartEvent
from yaml.reader import ReaderError

from pipelines.definition.errors import unreadable

MERGE = "<<"

# After any line break that YAML knows, in UTF-8.
_TAG_DIRECTIVE = re.compile(rb"(?:^|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])%TAG")
_TAG_DIRECTIVES = 100


def events(body: bytes) -> Iterator[Event]:
    """Yield the events of the nodes of the one document.

    Raise DocumentErrors for what is not YAML, for no document and for a second one.
    """
    _check_directives(body)
    try:
        yield from _nodes(CSafeLoader(body))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        at = (mark.line + 1, mark.column + 1) if mark else None
        raise unreadable(f"this is not valid YAML: {error.problem}", at=at) from error
    except ReaderError as error:
        before = body[: error.position].decode(errors="replace")
        at = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise unreadable(f"this is not valid YAML: {error.reason}", at=at) from error


def place(event: Event) -> tuple[int, int]:
    """Return the line and column at which the event begins, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def is_merge_key(event: Event) -> bool:
    """Tell whether a key is the `<<` that merges mappings; in quotes it is an ordinary key."""
    return isinstance(event, ScalarEvent) and event.value == MERGE and not event.style


def _check_directives(body: bytes) -> None:
    # libyaml compares each %TAG with all before it, in one call that nothing can interrupt. Tags are refused anyway.
    found = len(_TAG_DIRECTIVE.findall(body))
    if found > _TAG_DIRECTIVES:
        raise unreadable(f"there are {found} %TAG directives: remove them, tags are not allowed")


def _nodes(parser: CSafeLoader) -> Iterator[Event]:
    documents = 0
    while not isinstance(event := parser.get_event(), StreamEndEvent | None):
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise unreadable("there is a second document: send one at a time", at=place(event))
        elif not isinstance(event, StreamStartEvent | DocumentEndEvent):
            yield event
    if not documents:
        raise unreadable("there is no document in this: send one with 'stages' and 'jobs'")
