"""Patches that are not applies: RFC 7386, RFC 6902 and Kubernetes' own strategic merge."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.kubernetes_api.ownership import key_of
from tests.kubernetes_api.status import ApiError, bad_request


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, lists are replaced."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def strategic(target: Any, patch: Any, *, path: tuple[str, ...] = ()) -> Any:
    """As a merge, but lists with a key are merged by it."""
    if isinstance(patch, list) and patch and isinstance(target, list):
        held = {key_of(path, item): item for item in target}
        if None not in held:
            for item in patch:
                key = key_of(path, item)
                held[key] = strategic(held.get(key), item, path=path)
            return list(held.values())
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = strategic(result.get(name), value, path=(*path, name))
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902: test, add, replace, remove."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    result = deepcopy(target)
    for operation in operations:
        _operate(result, operation)
    return result


def _operate(document: Any, operation: dict[str, Any]) -> None:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
    try:
        for step in steps[:-1]:
            document = document[int(step)] if isinstance(document, list) else document[step]
        last: Any = steps[-1] if isinstance(document, dict) or steps[-1] == "-" else int(steps[-1])
        match operation["op"]:
            case "test":
                if document[last] != operation["value"]:
                    raise ApiError(422, "Invalid", f"testing path {operation['path']} value failed: test failed")
            case "remove":
                del document[last]
            case "add" if isinstance(document, list):
                document.insert(len(document) if last == "-" else last, operation["value"])
            case "replace" if isinstance(document, dict) and last not in document:
                raise KeyError(last)
            case "add" | "replace":
                document[last] = operation["value"]
            case other:
                raise bad_request(f"unknown operation {other!r}")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ApiError(422, "Invalid", f"the path {operation['path']} does not exist: {error}") from error
