"""One round: list once, bring every attempt one step on, write, delete what is to go, read some logs."""

from __future__ import annotations

from typing import Any

from clients.exceptions import UnsealError
from pipelines import clock
from runners.filling import SECRET_UNREADABLE
from runners.kinds.k8s_deployment import K8sDeployment
from runners.kubernetes import snapshot
from runners.kubernetes.deployments import DeploymentFollower
from runners.kubernetes.exceptions import ClusterError, ServerFault, Unreachable
from runners.kubernetes.jobs import JobFollower
from runners.kubernetes.log_copying import LogCopier
from runners.kubernetes.recording import record
from runners.kubernetes.standing import Verdict
from runners.kubernetes.sweeping import leftovers
from runners.kubernetes.turns import Turn
from runners.kubernetes.work import SECRETS, Findings, Work, live_work
from runners.models import Installation

# What may be the trouble of one object alone: an admission webhook that fails for it, a node that does not answer.
_FAULTS = (ServerFault, Unreachable)
_FAULTS_PER_ROUND = 3


class _Trouble:
    """The faults of a round: the others go on past a few, and then the runner is shown unhealthy all the same."""

    def __init__(self) -> None:
        self._faults: list[ClusterError] = []

    def add(self, error: ClusterError) -> None:
        """Note it; raise it if there have been too many."""
        self._faults.append(error)
        if len(self._faults) >= _FAULTS_PER_ROUND:
            raise error

    def tell(self) -> None:
        """Raise the first one, if there was any."""
        if self._faults:
            raise self._faults[0]


def run(turn: Turn, *, api: Any) -> None:
    """Run the round; raise ClusterError if the API server does not answer, with what was found before written."""
    cluster = turn.cluster
    works = live_work(cluster)
    install = Installation.current()
    seen = snapshot.take(
        api,
        namespaces=cluster.allowed_namespaces,
        install=install,
        with_pods=bool(works),
        with_deployments=any(work.order.kind == K8sDeployment.name for work in works),
    )
    findings, trouble, now = Findings(), _Trouble(), clock.now()
    logs = LogCopier(api, findings=findings, now=now)

    def flush() -> None:
        record(findings, runner=cluster.runner_id, now=clock.now())

    jobs = JobFollower(cluster=cluster, api=api, snapshot=seen, findings=findings, logs=logs, flush=flush, now=now)
    deployments = DeploymentFollower(cluster=cluster, api=api, snapshot=seen, findings=findings, flush=flush, now=now)
    try:
        # What runs comes before what is to begin.
        for work in sorted(works, key=lambda each: not each.is_started):
            if turn.is_half_over:  # the rest of it is for what is to be deleted; the next one comes soon
                break
            if not _is_readable(work, findings=findings):
                continue
            try:
                (deployments if work.order.kind == K8sDeployment.name else jobs).follow(work)
            except ClusterError as error:
                error.message = work.told(error.message)  # it is shown with the runner
                if not isinstance(error, _FAULTS):
                    raise
                trouble.add(error)
    finally:
        # Also what was found before the API server went away.
        flush()
    for found in [*jobs.to_delete, *leftovers(seen, live={work.key for work in works})]:
        metadata = found["metadata"]
        try:
            api.delete_job(metadata["namespace"], metadata["name"], metadata["uid"], propagation="Foreground")
        except _FAULTS as error:
            trouble.add(error)
    try:
        logs.copy_running(jobs.running)
    finally:
        flush()
    trouble.tell()


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
