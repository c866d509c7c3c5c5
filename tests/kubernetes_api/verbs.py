"""What each verb does to the store: the API proper, one function a verb."""

from __future__ import annotations

import itertools
import json
from copy import deepcopy
from typing import Any

from tests.kubernetes_api import patches
from tests.kubernetes_api.access import Access
from tests.kubernetes_api.logs import Logs
from tests.kubernetes_api.ownership import Owner
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.resources import PODS, Object, Resource
from tests.kubernetes_api.selectors import matches_fields, matches_labels
from tests.kubernetes_api.status import ApiError, bad_request, expired
from tests.kubernetes_api.store import Store
from tests.runners.kubernetes.openapi_types import mistakes

Answer = tuple[int, Object | bytes]

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z",
    "goVersion": "go1.25.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}


class Api:
    """Carries out requests that were let in."""

    def __init__(self, store: Store, logs: Logs, access: Access) -> None:
        self._store = store
        self._logs = logs
        self._access = access
        self._lists: dict[str, list[Object]] = {}
        self._numbers = itertools.count(1)

    def answer(self, request: Request) -> Answer:
        """Raises ApiError."""
        if request.resource is None:
            if request.path.rstrip("/") == "/version":
                return 200, VERSION
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        with self._store.lock:
            match request.verb, request.subresource:
                case "list", "":
                    return 200, self._list(request, request.resource)
                case "create", "":
                    return 201, self._create(request, request.resource)
                case "get", "log" if request.resource == PODS:
                    return 200, self._logs.read(self._get(request, request.resource), request.query)
                case "get", "" | "status":
                    return 200, self._get(request, request.resource)
                case "update", "" | "status":
                    return 200, self._update(request, request.resource)
                case "patch", "" | "status":
                    return self._patch(request, request.resource)
                case "delete", "":
                    return 200, self._delete(request, request.resource)
        raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def expire_lists(self) -> None:
        """Forget the snapshots that lists are continued from."""
        self._lists.clear()

    def _get(self, request: Request, resource: Resource) -> Object:
        return self._store.get(resource, request.namespace, request.name)

    def _list(self, request: Request, resource: Resource) -> Object:
        """A page. A continued list goes on in the snapshot of its first page, as etcd's revisions have it."""
        number, start, version = "", 0, str(self._store.version)
        if token := request.query.get("continue"):
            number, start, version = self._continued(token)
            items = self._lists[number]
        else:
            items = self._selected(request, resource)
        limit = int(request.query.get("limit") or 0)
        end = start + limit if limit else len(items)
        metadata: Object = {"resourceVersion": version}
        if end < len(items):
            number = number or str(next(self._numbers))
            self._lists[number] = items
            metadata |= {"continue": f"{number}.{end}.{version}"}
            if not (request.query.get("labelSelector") or request.query.get("fieldSelector")):
                metadata["remainingItemCount"] = len(items) - end
        # Items of a list carry neither their kind nor their version; the list's says it.
        page = [{name: item[name] for name in item if name not in ("kind", "apiVersion")} for item in items[start:end]]
        return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": page}

    def _continued(self, token: str) -> tuple[str, int, str]:
        if token == "inconsistent":
            raise bad_request("the test's server gives no inconsistent rest of a list: start the list again")
        try:
            number, start, version = token.split(".")
            at = int(start)
        except ValueError as error:
            raise bad_request("continue key is not valid") from error
        if number not in self._lists:
            raise expired()
        return number, at, version

    def _selected(self, request: Request, resource: Resource) -> list[Object]:
        namespace = request.namespace if request.namespace else None
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        matches_labels({}, labels), matches_fields({}, fields)  # refused even where there is nothing to select
        return [
            item
            for item in self._store.all(resource, namespace)
            if matches_labels(item["metadata"].get("labels") or {}, labels) and matches_fields(item, fields)
        ]

    def _create(self, request: Request, resource: Resource) -> Object:
        return self._store.create(resource, request.namespace, _object(request.body), owner=_owner(request))

    def _update(self, request: Request, resource: Resource) -> Object:
        obj = _object(request.body)
        self._store.check_types(resource, obj)
        return self._store.update(resource, request.namespace, request.name, obj, owner=_owner(request))

    def _patch(self, request: Request, resource: Resource) -> Answer:
        place = (resource, request.namespace, request.name)
        if request.media_type == "application/apply-patch+yaml":
            config = _object(request.body)
            if (config.get("apiVersion"), config.get("kind")) != (resource.api_version, resource.kind):
                raise bad_request("apiVersion and kind of an applied object must be set and be those of the path")
            if self._store.find(*place) is None:
                # `patch` was asked for already: an apply that creates takes this right as well.
                self._access.check(request, verb="create")
            manager = request.query.get("fieldManager", "")
            obj, created = self._store.apply(*place, config, manager=manager, force=request.flag("force"))
            return 201 if created else 200, obj
        before = deepcopy(self._store.get(*place))
        match request.media_type:
            case "application/merge-patch+json":
                self._store.check_types(resource, _object(request.body), partial=True)
                after = patches.merge(before, request.body)
            case "application/strategic-merge-patch+json":
                self._store.check_types(resource, _object(request.body), partial=True)
                after = patches.strategic(before, request.body)
            case "application/json-patch+json":
                after = patches.json_patch(before, request.body)
            case other:
                raise ApiError(
                    415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {other}"
                )
        self._store.check_types(resource, after)
        return 200, self._store.update(*place, after, owner=_owner(request))

    def _delete(self, request: Request, resource: Resource) -> Object:
        options = _object(request.body) if request.body else {}
        wrong = mistakes(options, "V1DeleteOptions")
        if wrong:
            self._store.violations += wrong
            raise bad_request("; ".join(wrong))
        if "propagationPolicy" in request.query:
            options["propagationPolicy"] = request.query["propagationPolicy"]
        obj = self._store.delete(resource, request.namespace, request.name, options=options)
        if self._store.find(resource, request.namespace, request.name):
            return obj
        details = {"name": request.name, "kind": resource.plural, "uid": obj["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _object(body: Any) -> Object:
    if not isinstance(body, dict):
        raise bad_request(f"an object is expected, not {json.dumps(body)[:100]}")
    return dict(body)


def _owner(request: Request) -> Owner:
    """Without a manager's name, the first part of the user agent is it."""
    agent = request.headers.get("user-agent", "").partition("/")[0] or "unknown"
    return Owner(request.query.get("fieldManager") or agent, "Update", request.subresource)
