"""Small readings of Kubernetes objects: the JSON of the API, in which nearly everything may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]


def uid_of(found: Object) -> str:
    return str(found.get("metadata", {}).get("uid") or "")


def name_of(found: Object) -> str:
    return str(found.get("metadata", {}).get("name") or "")


def status_of(found: Object) -> Object:
    status: Object = found.get("status") or {}
    return status


def conditions_of(found: Object) -> Sequence[Object]:
    conditions: Sequence[Object] = status_of(found).get("conditions") or ()
    return conditions


def condition(found: Object, *, kind: str) -> Object | None:
    """Return the condition of that type, whatever its status."""
    return next((each for each in conditions_of(found) if each.get("type") == kind), None)


def holds(found: Object, *, kind: str) -> Object | None:
    """Return the condition of that type if its status is True."""
    found_condition = condition(found, kind=kind)
    return found_condition if found_condition and found_condition.get("status") == "True" else None


def is_being_deleted(found: Object) -> bool:
    return bool(found.get("metadata", {}).get("deletionTimestamp"))


def owned_by(uid: str, *, among: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those whose controller is the object of that uid: a label alone may be anybody's."""
    return [
        each
        for each in among
        if any(
            owner.get("uid") == uid and owner.get("controller")
            for owner in each.get("metadata", {}).get("ownerReferences") or ()
        )
    ]


def time_of(text: object) -> datetime | None:
    """Return the time that a timestamp of the API says, if it is one."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def readable(text: object, *, most: int) -> str:
    """Return the text on one line, cut, without what PostgreSQL cannot keep."""
    line = " ".join(str(text or "").replace("\0", "\ufffd").encode("utf-8", "replace").decode().split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def sentence(text: object) -> str:
    """Return the cluster's own words as part of a message: readable, ended by a full stop."""
    line = readable(text, most=1000).rstrip(".: ")
    return f"{line}." if line else ""


def events_about(uid: str, *, among: Iterable[Object]) -> list[Object]:
    """Return the events about the object of that uid, oldest first."""
    about = (each for each in among if (each.get("involvedObject") or {}).get("uid") == uid)
    return sorted(about, key=lambda event: str(last_seen(event)))


def first_seen(event: Object) -> datetime | None:
    """Return when what the event tells of was seen first."""
    return (
        time_of(event.get("firstTimestamp"))
        or time_of(event.get("eventTime"))
        or time_of(event.get("metadata", {}).get("creationTimestamp"))
    )


def last_seen(event: Object) -> datetime | None:
    """Return when what the event tells of was seen last."""
    return (
        time_of(event.get("lastTimestamp"))
        or time_of((event.get("series") or {}).get("lastObservedTime"))
        or first_seen(event)
    )
