"""Copy pods' logs into their attempt's: a few while they run, completely before the object goes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from django.conf import settings

from clients.sealing import seal, unseal
from runners.kubernetes.exceptions import ClusterError, ServerFault, TooManyRequests, Unauthorized, Unreachable
from runners.kubernetes.pod_logs import Cursor, LogPage
from runners.kubernetes.work import Findings, Work
from runners.masking import MaskedStream, Masker
from runners.reports.items import LOG_BYTES, Log

# While pods run so many logs are read a round, whoever was read longest ago first: requests grow with rounds.
READS_PER_ROUND = 16
_PAGE_BYTES = LOG_BYTES // 4
# The note of what is held back, by pod.
_MASKING = "masking"
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
        prefix = f"[{name}] " if len(pods) > 1 else ""
        try:
            for page in _pages(
                work, name, container, api=api, cursor=Cursor.from_json(cursors.get(name)), at_most=pages
            ):
                _append(work, page.text, pod=name, prefix=prefix, findings=findings)
                cursors[name] = page.cursor.to_json()
        except _PASSING:
            findings.note(work, cursors=cursors)
            raise
        except ClusterError as error:
            warnings = work.notes.get("log_warnings") or {}
            warning = f"{error.reason}: {work.told(error.message)}"[:500]
            findings.note(work, log_warnings={**warnings, name: warning})
    findings.note(work, cursors=cursors)


def _pages(work: Work, pod: str, container: str, *, api: Logs, cursor: Cursor, at_most: int) -> Iterator[LogPage]:
    for _ in range(at_most):
        page = api.read_log(work.order.namespace, pod, container, cursor=cursor, limit_bytes=_PAGE_BYTES)
        yield page
        cursor = page.cursor
        if not page.more:
            return


def flush(work: Work, *, findings: Findings) -> None:
    """Tell what masking still holds back of the pods' logs: nothing follows."""
    if work.masker is None:
        return
    for _, noted in sorted((work.notes.get(_MASKING) or {}).items()):
        masking = _Masking.from_note(noted, masker=work.masker)
        _add(work, masking.tell(masking.stream.flush()), findings=findings)
    findings.note(work, **{_MASKING: {}})


def _append(work: Work, text: bytes, *, pod: str, prefix: str, findings: Findings) -> None:
    if not text:
        return
    # As every runner reports it: valid UTF-8 without NULs, at the offset of that text.
    shown = text.decode("utf-8", "replace").replace("\0", "\ufffd")
    if work.masker is None:
        _add(work, _prefixed(shown, prefix=prefix), findings=findings)
        return
    noted: dict[str, str] = dict(work.notes.get(_MASKING) or {})
    masking = _Masking.from_note(noted.get(pod), masker=work.masker, prefix=prefix)
    _add(work, masking.tell(masking.stream.feed(shown)), findings=findings)
    findings.note(work, **{_MASKING: noted | {pod: masking.to_note()}})


def _add(work: Work, shown: str, *, findings: Findings) -> None:
    if not shown:
        return
    offset = work.notes.get("log_size", work.attempt.log_size)
    findings.items.append(Log(job=work.order.job, attempt=work.order.attempt, event="log", offset=offset, text=shown))
    findings.note(work, log_size=offset + len(shown.encode()))


def _prefixed(text: str, *, prefix: str) -> str:
    # Lines as bytes have them: a text would also end them at what is no line break in a log.
    return "".join(prefix + line.decode() for line in text.encode().splitlines(keepends=True)) if prefix else text


@dataclass
class _Masking:
    """How far a pod's log is masked, kept from round to round: what is held back is a part of the log in clear."""

    stream: MaskedStream
    prefix: str
    in_line: bool

    @classmethod
    def from_note(cls, noted: str | None, *, masker: Masker, prefix: str = "") -> _Masking:
        if noted is None:
            return cls(MaskedStream(masker), prefix=prefix, in_line=False)
        held, covered, kept, in_line = json.loads(unseal(noted))
        return cls(MaskedStream(masker, state=(held, covered)), prefix=kept, in_line=in_line)

    def to_note(self) -> str:
        return seal(json.dumps([*self.stream.state, self.prefix, self.in_line]))

    def tell(self, text: str) -> str:
        """Return the text with the pod's name before each line that begins in it."""
        if not text:
            return ""
        prefixed = _prefixed(text, prefix=self.prefix)
        if self.in_line:
            prefixed = prefixed.removeprefix(self.prefix)
        self.in_line = not text.endswith("\n")
        return prefixed


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
