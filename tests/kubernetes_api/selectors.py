"""Label and field selectors of lists."""

from __future__ import annotations

import re

from tests.kubernetes_api.resources import Object
from tests.kubernetes_api.status import bad_request

_KEY = r"[A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<op>=|==|!=)\s*(?P<value>[A-Za-z0-9_.-]*)")
_HAS = re.compile(rf"(?P<no>!?)(?P<key>{_KEY})")
_FIELDS = ("metadata.name", "metadata.namespace", "status.phase", "spec.nodeName", "type", "reason")


def matches_labels(labels: dict[str, str], selector: str) -> bool:
    """Raises ApiError for a selector that cannot be read, whatever the labels."""
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", selector) if part.strip()]
    fits = [_matches(labels, part) for part in parts]
    return all(fits)


def _matches(labels: dict[str, str], part: str) -> bool:
    if match := _SET.fullmatch(part):
        values = {value.strip() for value in match["values"].split(",")}
        return (labels.get(match["key"]) in values) == (match["op"] == "in")
    if match := _EQUAL.fullmatch(part):
        return (labels.get(match["key"]) == match["value"]) == (match["op"] != "!=")
    if match := _HAS.fullmatch(part):
        return (match["key"] in labels) != bool(match["no"])
    raise bad_request(f"unable to parse requirement: {part!r}")


def matches_fields(obj: Object, selector: str) -> bool:
    fits = True
    for part in filter(None, selector.split(",")):
        match = re.fullmatch(r"([A-Za-z.]+)(=|==|!=)(.*)", part)
        if match is None or not (match[1] in _FIELDS or match[1].startswith("involvedObject.")):
            raise bad_request(f'field label not supported: "{part}"')
        value: object = obj
        for step in match[1].split("."):
            value = value.get(step) if isinstance(value, dict) else None
        fits = fits and ((value or "") == match[3]) == (match[2] != "!=")
    return fits
