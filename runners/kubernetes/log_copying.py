"""Copy pods' logs into their attempt's: a few while they run, completely before the object goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from django.conf import settings

from runners.kubernetes.exceptions import ClusterError, ServerFault, TooManyRequests, Unauthorized, Unreachable
from runners.kubernetes.masked_logs import MaskedLog, prefixed
from runners.kubernetes.pod_logs import Cursor, LogPage
from runners.kubernetes.work import Findings, Work
from runners.reports.items import LOG_BYTES, Log

# While pods run so many logs are read a round, whoever was read longest ago first: requests grow with rounds.
READS_PER_ROUND = 16
PATIENCE = timedelta(minutes=1)
"""How long an end waits for a log that its node does not give; then the rest of it is given up, with a warning."""
_PAGE_BYTES = LOG_BYTES // 4
_SILENT_NODES = 3
_MASKED = "masked_logs"
"""The note of what masking holds back, by pod."""
# The API server's own trouble: the round is tried again.
_PASSING = (Unauthorized, TooManyRequests)
# The API server asks the node for a log: this may be the trouble of that node alone.
_OF_NODE = (Unreachable, ServerFault)


class Logs(Protocol):
    """The part of a cluster's API that reads logs."""

    def read_log(self, namespace: str, pod: str, container: str, *, cursor: Cursor, limit_bytes: int) -> LogPage: ...


class LogCopier:
    """Copies the logs of one round. A node that does not give one is left alone for the rest of the round."""

    def __init__(self, api: Logs, *, findings: Findings, now: datetime) -> None:
        self._api = api
        self._findings = findings
        self._now = now
        self._silent: set[str] = set()

    def copy_running(self, works: Iterable[tuple[Work, list[dict[str, Any]]]]) -> None:
        """Copy what the running pods have said lately, as far as the round's share reaches."""
        waiting = sorted(works, key=lambda each: each[0].notes.get("log_round", 0))
        latest = max((work.notes.get("log_round", 0) for work, _ in waiting), default=0)
        for work, pods in islice(waiting, READS_PER_ROUND):
            self._copy(work, pods, pages=1)
            self._findings.note(work, log_round=latest + 1)

    def copy_all(self, work: Work, pods: list[dict[str, Any]], *, patiently: bool) -> bool:
        """Copy the rest of the logs, up to what is kept of one anyway; what cannot be read is noted, never a verdict.

        Return False if a node does not give a log and it is worth coming again for it, `patiently`, before the pods go.
        """
        missing = self._copy(work, pods, pages=max(settings.LOG_LIMIT_BYTES // _PAGE_BYTES, 1))
        if not missing:
            return True
        since = datetime.fromisoformat(work.notes.get("log_missing_since") or self._now.isoformat())
        if patiently and self._now - since < PATIENCE:
            self._findings.note(work, log_missing_since=since.isoformat())
            return False
        for pod, error in missing.items():
            self._warn(work, pod, f"{error.reason}: {work.told(error.message)}")
        return True

    def flush(self, work: Work) -> None:
        """Tell what masking still holds back of its pods' logs: nothing follows."""
        if work.masker is None:
            return
        for note in (work.notes.get(_MASKED) or {}).values():
            self._add(work, MaskedLog.from_note(note, masker=work.masker).flush())
        self._findings.note(work, **{_MASKED: {}})

    def _copy(self, work: Work, pods: list[dict[str, Any]], *, pages: int) -> dict[str, ClusterError]:
        """Copy up to so many pages of each pod that has said anything; return the pods whose node gave nothing."""
        container = str(work.order.params["container_name"])
        cursors: dict[str, Any] = dict(work.notes.get("cursors") or {})
        missing: dict[str, ClusterError] = {}
        for pod in _have_logs(pods):
            name, node = pod["metadata"]["name"], str((pod.get("spec") or {}).get("nodeName") or "")
            prefix = f"[{name}] " if len(pods) > 1 else ""
            try:
                self._ask(node)
                for page in self._pages(work, name, container, cursor=Cursor.from_json(cursors.get(name)), pages=pages):
                    self._append(work, page.text, pod=name, prefix=prefix)
                    if page.gap:
                        self._warn(work, name, "gap: lines may be missing that the node had rotated away.")
                    cursors[name] = page.cursor.to_json()
            except _PASSING:
                self._findings.note(work, cursors=cursors)
                raise
            except _OF_NODE as error:
                self._silent.add(node)
                missing[name] = error
            except ClusterError as error:
                self._warn(work, name, f"{error.reason}: {work.told(error.message)}")
        self._findings.note(work, cursors=cursors)
        return missing

    def _ask(self, node: str) -> None:
        """Raise Unreachable for a node that was silent, or once so many were that it may be the API server."""
        if node in self._silent or len(self._silent) >= _SILENT_NODES:
            raise Unreachable(f"The node {node} does not give its logs.")

    def _pages(self, work: Work, pod: str, container: str, *, cursor: Cursor, pages: int) -> Iterator[LogPage]:
        for _ in range(pages):
            page = self._api.read_log(work.order.namespace, pod, container, cursor=cursor, limit_bytes=_PAGE_BYTES)
            yield page
            cursor = page.cursor
            if not page.more:
                return

    def _append(self, work: Work, text: bytes, *, pod: str, prefix: str) -> None:
        # As every runner reports it: valid UTF-8 without NULs, at the offset of that text.
        shown = text.decode("utf-8", "replace").replace("\0", "\ufffd")
        if work.masker is None:
            self._add(work, prefixed(shown, prefix=prefix))
            return
        notes: dict[str, str] = dict(work.notes.get(_MASKED) or {})
        if pod in notes:
            log = MaskedLog.from_note(notes[pod], masker=work.masker)
        else:
            log = MaskedLog.begin(work.masker, prefix=prefix)
        self._add(work, log.feed(shown))
        self._findings.note(work, **{_MASKED: notes | {pod: log.to_note()}})

    def _add(self, work: Work, shown: str) -> None:
        if not shown:
            return
        offset = work.notes.get("log_size", work.attempt.log_size)
        job, attempt = work.key
        self._findings.items.append(Log(job=job, attempt=attempt, event="log", offset=offset, text=shown))
        self._findings.note(work, log_size=offset + len(shown.encode()))

    def _warn(self, work: Work, pod: str, what: str) -> None:
        warnings = work.notes.get("log_warnings") or {}
        self._findings.note(work, log_warnings={**warnings, pod: what[:500]})


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
