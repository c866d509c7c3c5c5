"""Who owns which field: the bookkeeping of server-side apply (structured-merge-diff, as far as our kinds need it).

A field is a path of steps: a name in an object, or a `Key` in a list that is merged by keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes_api.resources import Object
from tests.kubernetes_api.status import apply_conflict

# Lists merged by keys, by the name of the list; ATOMIC objects are one field whatever is in them.
KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
}
ATOMIC = {"selector", "nodeSelector"}
_DEFAULTS = {"protocol": "TCP"}


@dataclass(frozen=True)
class Key:
    """An item of a list, by the values of its keys."""

    items: tuple[tuple[str, Any], ...]


Step = str | Key
Path = tuple[Step, ...]


@dataclass(frozen=True)
class Owner:
    manager: str
    operation: str = "Update"
    subresource: str = ""


@dataclass
class Owners:
    """The fields of one object by owner, with the times of their last change."""

    fields: dict[Owner, set[Path]] = field(default_factory=dict)
    times: dict[Owner, str] = field(default_factory=dict)

    def updated(self, before: Object, after: Object, *, owner: Owner, at: str) -> None:
        """An update owns what it changes, and takes it from whoever had it."""
        old, new = leaves(before), leaves(after)
        changed = {path for path, value in new.items() if path not in old or old[path] != value}
        for other, paths in self.fields.items():
            paths -= set(old) - set(new) if other == owner else (set(old) - set(new)) | changed
        if changed:
            self.fields.setdefault(owner, set()).update(changed)
            self.times[owner] = at
        self._forget_empty()

    def applied(self, live: Object, config: Object, *, owner: Owner, force: bool, at: str) -> Object:
        """The object after an apply. Raises ApiError for fields that others own with another value."""
        wanted, held = leaves(config), leaves(live)
        causes = []
        for other, paths in sorted(self.fields.items(), key=lambda item: item[0].manager):
            for path in sorted(paths & set(wanted), key=_shown):
                if other != owner and held.get(path) != wanted[path]:
                    causes.append(_cause(other, path, api_version=str(config.get("apiVersion"))))
                    if force:
                        paths.discard(path)
        if causes and not force:
            raise apply_conflict(causes)
        result = deepcopy(live)
        own = self.fields.get(owner, set())
        others = set().union(*(paths for other, paths in self.fields.items() if other != owner))
        for path in sorted(own - set(wanted) - others, key=len, reverse=True):
            _remove(result, path)
        result = dict(_merged(result, config))
        if own != set(wanted) or result != live:
            self.times[owner] = at
        self.fields[owner] = set(wanted)
        self._forget_empty()
        return result

    def managed_fields(self, *, api_version: str) -> list[Object]:
        entries = []
        for owner, paths in self.fields.items():
            entry: Object = {"manager": owner.manager, "operation": owner.operation, "apiVersion": api_version}
            entry |= {"time": self.times[owner], "fieldsType": "FieldsV1"}
            entries.append(entry | {"fieldsV1": _fields_v1(paths)} | _subresource(owner))
        return entries

    def _forget_empty(self) -> None:
        for owner in [owner for owner, paths in self.fields.items() if not paths]:
            del self.fields[owner]


def key_of(path: Iterable[Step], item: object) -> Key | None:
    """The key of an item of the list at that path; None if the list is not merged by keys."""
    names = [step for step in path if isinstance(step, str)]
    keys = KEYS.get(names[-1]) if names else None
    if keys is None or not isinstance(item, dict):
        return None
    return Key(tuple((key, item.get(key, _DEFAULTS.get(key))) for key in keys))


def leaves(obj: Object) -> dict[Path, Any]:
    """Every field that can have an owner, with its value; the object's identity and status are nobody's."""
    metadata = obj.get("metadata", {})
    kept = {name: metadata[name] for name in ("labels", "annotations", "ownerReferences") if metadata.get(name)}
    root = {"metadata": kept} | ({"spec": obj["spec"]} if "spec" in obj else {})
    return dict(_walk(root, path=()))


def _walk(value: Any, *, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value and not (path and path[-1] in ATOMIC):
        for name, item in value.items():
            yield from _walk(item, path=(*path, name))
    elif isinstance(value, list) and value and all(key_of(path, item) for item in value):
        for item in value:
            key = key_of(path, item)
            assert key is not None
            yield from _walk(item, path=(*path, key))
    elif path and value is not None:
        yield path, value


def _merged(live: Any, config: Any, *, path: Path = ()) -> Any:
    if isinstance(config, dict) and isinstance(live, dict) and not (path and path[-1] in ATOMIC):
        merged = dict(live)
        for name, value in config.items():
            if value is not None:
                merged[name] = _merged(live.get(name), value, path=(*path, name))
        return merged
    if isinstance(config, list) and isinstance(live, list):
        held = {key_of(path, item): item for item in live}
        wanted = {key_of(path, item): item for item in config}
        if None not in held and None not in wanted:
            return [
                _merged(held.get(key), wanted[key], path=path) if key in wanted else held[key]
                for key in [*held, *(key for key in wanted if key not in held)]
            ]
    return deepcopy(config)


def _remove(value: Any, path: Path) -> None:
    """Take a field away, and what is empty without it."""
    step = path[0]
    if isinstance(step, Key):
        for item in list(value):
            if all(item.get(name, _DEFAULTS.get(name)) == wanted for name, wanted in step.items):
                if path[1] not in dict(step.items):  # the keys go last, with the item
                    _remove(item, path[1:])
                if set(item) <= {name for name, _ in step.items}:
                    value.remove(item)
        return
    if not isinstance(value, dict) or step not in value:
        return
    if len(path) > 1:
        _remove(value[step], path[1:])
    if len(path) == 1 or value[step] in ({}, []):
        del value[step]


def _shown(path: Path) -> str:
    return "".join(f".{step}" if isinstance(step, str) else f"[{_key_text(step)}]" for step in path)


def _key_text(key: Key) -> str:
    return ",".join(f"{name}={json.dumps(value)}" for name, value in key.items)


def _cause(other: Owner, path: Path, *, api_version: str) -> dict[str, str]:
    message = f'conflict with "{other.manager}" using {api_version}'
    return {"reason": "FieldManagerConflict", "message": message, "field": _shown(path)}


def _subresource(owner: Owner) -> dict[str, str]:
    return {"subresource": owner.subresource} if owner.subresource else {}


def _fields_v1(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths, key=_shown):
        node = tree
        for step in path:
            name = f"f:{step}" if isinstance(step, str) else "k:" + json.dumps(dict(step.items), separators=(",", ":"))
            node = node.setdefault(name, {})
    return tree
