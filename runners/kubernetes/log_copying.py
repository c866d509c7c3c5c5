"""Copy pods' logs into their attempt's: a few while they run, completely before the object goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from django.conf import settings

from runners.kubernetes.exceptions import ClusterError, ServerFault, TooManyRequests, Unauthorized, Unreachable
from runners.kubernetes.pod_logs import Cursor, LogPage
from runners.kubernetes.work import Findings, Work
from runners.reports.items import LOG_BYTES, Log

# While pods run so many logs are read a round, whoever was read longest ago first: requests grow with rounds.
READS_PER_ROUND = 16
_PAGE_BYTES = LOG_BYTES // 4
_PASSING = (Unreachable, Unauthorized, TooManyRequests, ServerFault)


class Logs(Protocol):
    """The part of a cluster's API that reads logs."""

    def read_log(self, namespace: str, pod: str, container: str, *, cursor: Cursor, limit_bytes: int) -> LogPage: ...


def copy_running(works: Iterable[tuple[Work, list[dict[str, Any]]]], *, api: Logs, findings: Findings) -> None:
    """Copy what the running pods have said lately, as far as the round's share reaches."""
    waiting = sorted(works, key=lambda each: each[0].notes.get("log_round", 0))
    latest = max((work.notes.get("log_round", 0) for work, _ in waiting), default=0)
    for work, pods in islice(waiting, READS_PER_ROUND):
        copy(work, pods, api=api, findings=findings, pages=1)
        findings.note(work, log_round=latest + 1)


def copy_all(work: Work, pods: list[dict[str, Any]], *, api: Logs, findings: Findings) -> None:
    """Copy the rest of the logs, up to what is kept of one anyway; what cannot be read is noted, never a verdict."""
    copy(work, pods, api=api, findings=findings, pages=max(settings.LOG_LIMIT_BYTES // _PAGE_BYTES, 1))


def copy(work: Work, pods: list[dict[str, Any]], *, api: Logs, findings: Findings, pages: int) -> None:
    """Copy up to so many pages of each pod that has said anything.

    Raises what passes by (an API server that is away), so that the round is tried again.
    """
    container = str(work.order.params["container_name"])
    cursors: dict[str, Any] = dict(work.notes.get("cursors") or {})
    for pod in _have_logs(pods):
        name = pod["metadata"]["name"]
        prefix = f"[{name}] ".encode() if len(pods) > 1 else b""
        try:
            for page in _pages(
                work, name, container, api=api, cursor=Cursor.from_json(cursors.get(name)), at_most=pages
            ):
                _append(work, page.text, prefix=prefix, findings=findings)
                cursors[name] = page.cursor.to_json()
        except _PASSING:
            findings.note(work, cursors=cursors)
            raise
        except ClusterError as error:
            warnings = work.notes.get("log_warnings") or {}
            findings.note(work, log_warnings={**warnings, name: f"{error.reason}: {error.message}"[:500]})
    findings.note(work, cursors=cursors)


def _pages(work: Work, pod: str, container: str, *, api: Logs, cursor: Cursor, at_most: int) -> Iterator[LogPage]:
    for _ in range(at_most):
        page = api.read_log(work.order.namespace, pod, container, cursor=cursor, limit_bytes=_PAGE_BYTES)
        yield page
        cursor = page.cursor
        if not page.more:
            return


def _append(work: Work, text: bytes, *, prefix: bytes, findings: Findings) -> None:
    if not text:
        return
    if prefix:
        text = b"".join(prefix + line for line in text.splitlines(keepends=True))
    # As every runner reports it: valid UTF-8 without NULs, at the offset of that text.
    shown = text.decode("utf-8", "replace").replace("\0", "\ufffd")
    offset = work.notes.get("log_size", work.attempt.log_size)
    findings.items.append(Log(job=work.order.job, attempt=work.order.attempt, event="log", offset=offset, text=shown))
    findings.note(work, log_size=offset + len(shown.encode()))


def _have_logs(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pods of which a container has run, oldest first."""
    begun = [
        pod
        for pod in pods
        if any(
            "running" in (status.get("state") or {}) or "terminated" in (status.get("state") or {})
            for status in (pod.get("status") or {}).get("containerStatuses") or ()
        )
    ]
    return sorted(begun, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
