"""Containers' logs as a kubelet keeps and serves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.kubernetes_api.clock import Clock
from tests.kubernetes_api.resources import Object
from tests.kubernetes_api.status import bad_request

Line = tuple[datetime, int, bytes]


@dataclass
class Logs:
    """By pod's uid and container; a line has its time, the nanoseconds below it, and its text."""

    clock: Clock
    held: dict[tuple[str, str], list[Line]] = field(default_factory=dict)

    def write(self, pod: Object, text: str, *, container: str = "") -> None:
        """Add lines, each with a time of its own."""
        container = container or pod["spec"]["containers"][0]["name"]
        lines = self.held.setdefault((pod["metadata"]["uid"], container), [])
        for line in text.encode().splitlines(keepends=True):
            at = self.clock.now()
            nanoseconds = lines[-1][1] + 1 if lines and lines[-1][0] == at else 0
            lines.append((at, nanoseconds, line))

    def rotate(self, pod: Object, *, keep: int) -> None:
        """Drop all but the last lines."""
        for (uid, _), lines in self.held.items():
            if uid == pod["metadata"]["uid"]:
                del lines[: len(lines) - keep]

    def read(self, pod: Object, query: dict[str, str]) -> bytes:
        """Answer a request for `pods/log`."""
        name = pod["metadata"]["name"]
        containers = [container["name"] for container in pod["spec"]["containers"]]
        container = query.get("container") or containers[0]
        if not query.get("container") and len(containers) > 1:
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: {containers}")
        if container not in containers:
            raise bad_request(f"container {container} is not valid for pod {name}")
        statuses = {status["name"]: status for status in pod["status"].get("containerStatuses", [])}
        state = statuses.get(container, {}).get("state", {})
        if "waiting" in state or not state:
            why = state.get("waiting", {}).get("reason") or "ContainerCreating"
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
        lines = self._chosen(self.held.get((pod["metadata"]["uid"], container), []), query)
        if query.get("timestamps", "").lower() in ("true", "1"):
            text = b"".join(_stamp(at, nanoseconds) + b" " + line for at, nanoseconds, line in lines)
        else:
            text = b"".join(line for *_, line in lines)
        return text[: int(query["limitBytes"])] if "limitBytes" in query else text

    def _chosen(self, lines: list[Line], query: dict[str, str]) -> list[Line]:
        if "sinceTime" in query and "sinceSeconds" in query:
            raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
        if "limitBytes" in query and int(query["limitBytes"]) < 1:
            raise bad_request("limitBytes: Invalid value: must be greater than 0")
        since = None
        if "sinceTime" in query:
            # On its way to the kubelet it loses its fraction.
            since = datetime.fromisoformat(query["sinceTime"]).replace(microsecond=0)
        if "sinceSeconds" in query:
            since = self.clock.now() - timedelta(seconds=int(query["sinceSeconds"]))
        if since is not None:
            lines = [line for line in lines if line[0] >= since]
        tail = query.get("tailLines")
        return lines if tail is None else lines[len(lines) - int(tail) :]


def _stamp(at: datetime, nanoseconds: int) -> bytes:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}{nanoseconds:03d}Z".encode()
