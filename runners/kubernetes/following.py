"""One round for one Kubernetes runner: list once, bring every attempt one step on, write, delete what is to go.

Any control worker may run any round; what one leaves for the next stands in the attempts' evidence.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.module_loading import import_string

from clients.exceptions import UnsealError
from pipelines import clock
from pipelines.nudges import nudge, send
from runners.executors.kubernetes import FOLLOW
from runners.filling import SECRET_UNREADABLE
from runners.kubernetes import log_copying, snapshot
from runners.kubernetes.connection import Connection
from runners.kubernetes.deployments import DeploymentFollower
from runners.kubernetes.exceptions import ClusterError
from runners.kubernetes.jobs import JobFollower
from runners.kubernetes.objects import selector
from runners.kubernetes.recording import record
from runners.kubernetes.standing import Verdict
from runners.kubernetes.sweeping import leftovers
from runners.kubernetes.work import SECRETS, Findings, Work, live_work
from runners.models import Attempt, Cluster, Installation

logger = logging.getLogger(__name__)

# A round that takes longer has died with its process.
_ROUND_SECONDS = 120
_IDLE_SECONDS = 15
_DEPLOYMENT = "K8S/Deployment"


def follow_due(*, now: datetime) -> None:
    """Ask for a round of every runner that has live attempts, and now and then of the idle ones."""
    idle = now - timedelta(seconds=_IDLE_SECONDS)
    busy = Attempt.objects.live().values("runner")
    due = Cluster.objects.filter(Q(runner__in=busy) | Q(synced_at=None) | Q(synced_at__lt=idle) | ~Q(error=""))
    for name in due.values_list("runner__name", flat=True):
        send(FOLLOW, args=(name,))


def follow(runner_name: str) -> None:
    """Run rounds of the runner until none is asked for; return at once if another process runs one.

    A nudge that comes during a round leaves a note, so that another one follows it.
    """
    while cluster := _take_round(runner_name):
        try:
            _run(cluster)
        finally:
            again = _end_round(cluster)
        if not again:
            return


def _take_round(runner_name: str) -> Cluster | None:
    now = clock.now()
    named = Cluster.objects.filter(runner__name=runner_name)
    free = named.filter(Q(round_until=None) | Q(round_until__lt=now), Q(not_before=None) | Q(not_before__lte=now))
    until = now + timedelta(seconds=_ROUND_SECONDS)
    if free.update(round_until=until, round_requested=False):
        return named.select_related("runner").first()
    named.update(round_requested=True)
    return None


def _end_round(cluster: Cluster) -> bool:
    mine = Cluster.objects.filter(pk=cluster.pk)
    mine.update(round_until=None)
    return mine.filter(round_requested=True, error="").exists()


def _run(cluster: Cluster) -> None:
    was_away = bool(cluster.error) or cluster.synced_at is None
    try:
        with _api(cluster) as api:
            _round(cluster, api)
    except ClusterError as error:
        _note_failure(cluster, error)
        return
    Cluster.objects.filter(pk=cluster.pk).update(synced_at=clock.now(), error="", not_before=None)
    if was_away:
        logger.info("cluster answers", extra={"runner": cluster.runner.name})
        nudge()


def _note_failure(cluster: Cluster, error: ClusterError) -> None:
    """Show the runner unhealthy; its attempts' leases stand still until the API server answers again."""
    pause = timedelta(seconds=error.retry_after_seconds or 0)
    Cluster.objects.filter(pk=cluster.pk).update(
        error=f"{error.reason}: {error.message}"[:2000], not_before=clock.now() + pause if pause else None
    )
    if not cluster.error:
        logger.warning("cluster does not answer", extra={"runner": cluster.runner.name, "reason": error.reason})


@contextmanager
def _api(cluster: Cluster) -> Iterator[Any]:
    # The one lazy import: a process that never talks to a cluster never loads its client.
    client = import_string("runners.kubernetes.cluster.Cluster")(Connection.from_json(cluster.connection))
    with closing(client):
        yield client


def _round(cluster: Cluster, api: Any) -> None:
    works = live_work(cluster)
    install = Installation.current()
    seen = snapshot.take(
        api,
        namespaces=cluster.allowed_namespaces,
        selector=selector(install),
        with_pods=bool(works),
        with_deployments=any(work.order.kind == _DEPLOYMENT for work in works),
    )
    findings = Findings()
    now = clock.now()

    def flush() -> None:
        record(findings, runner=cluster.runner_id, now=clock.now())

    jobs = JobFollower(cluster=cluster, api=api, snapshot=seen, findings=findings, flush=flush, now=now)
    deployments = DeploymentFollower(cluster=cluster, api=api, snapshot=seen, findings=findings, flush=flush, now=now)
    try:
        for work in works:
            if not _is_readable(work, findings=findings):
                continue
            (deployments if work.order.kind == _DEPLOYMENT else jobs).follow(work)
        log_copying.copy_running(jobs.running, api=api, findings=findings)
    finally:
        # Also what was found before the API server went away.
        flush()
    for found in [*jobs.to_delete, *leftovers(seen, live={work.key for work in works})]:
        metadata = found["metadata"]
        api.delete_job(metadata["namespace"], metadata["name"], metadata["uid"], propagation="Foreground")


def _is_readable(work: Work, *, findings: Findings) -> bool:
    """End an attempt whose secrets cannot be read any more: nothing of it could be masked. Its Job is swept."""
    try:
        _ = work.masker
    except UnsealError:
        del work.notes[SECRETS]
        message = "The secrets it was given cannot be read any more: the key they were encrypted under is gone."
        findings.end(work, Verdict("failed", SECRET_UNREADABLE, message))
        return False
    return True
