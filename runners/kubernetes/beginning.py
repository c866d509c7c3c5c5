"""Begin an attempt: may its job go there, and what the API server's refusal means for it."""

from __future__ import annotations

from pipelines import kinds
from runners.kinds.k8s_deployment import K8sDeployment
from runners.kinds.k8s_job import K8sJob
from runners.kubernetes.exceptions import (
    AlreadyThere,
    BadRequest,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from runners.kubernetes.standing import Verdict
from runners.kubernetes.work import Work
from runners.models import Attempt, Cluster

# Errors of one object; any other is the API server's, and the whole round waits.
REFUSALS = (AlreadyThere, BadRequest, Conflict, Forbidden, Invalid, NotFound)


def not_allowed(work: Work, *, cluster: Cluster) -> Verdict | None:
    """Return why jobs of this runner may not go where this one wants to, if so."""
    namespace = work.order.namespace
    if namespace not in cluster.allowed_namespaces:
        return Verdict(
            "failed",
            "namespace_not_allowed",
            f"The runner takes no jobs for the namespace {namespace!r}; it takes: "
            f"{', '.join(cluster.allowed_namespaces)}. Name one of these, or have the operator add it to the runner.",
        )
    account = work.order.params.get("service_account")
    if account and account not in cluster.service_accounts:
        return Verdict(
            "failed",
            "service_account_not_allowed",
            f"The runner lets no job use the service account {account!r}; the operator can add it to the runner.",
        )
    return _not_understood(work)


def _not_understood(work: Work) -> Verdict | None:
    """Return why the job cannot be what it once could, under a service that has been changed meanwhile."""
    order = work.order
    kind = kinds.registry.get(order.kind, order.version)
    problems = [problem.detail for problem in kind.problems(order.params)] if kind else ["there is no such kind"]
    if order.kind in (K8sJob.name, K8sDeployment.name) and not problems:
        return None
    message = f"This service does not take it as {order.kind} {order.version} any more: {'; '.join(problems[:3])}."
    return Verdict("failed", "invalid", f"{message} Submit it anew.")


def is_still_wanted(work: Work) -> bool:
    """Tell whether its attempt is live and not to be stopped: much may have happened since the round began."""
    return Attempt.objects.live().filter(pk=work.attempt.pk, stop_requested_at=None).exists()


def refusal(error: ClusterError, *, work: Work) -> Verdict | None:
    """Return the verdict that the API server's refusal of the attempt's object is; None if it is to be tried again.

    Raises the error if no API server said so: then the whole round waits.
    """
    if not error.is_told:
        raise error
    if _passes_by(error):
        return None
    reason, advice = error.reason, "Correct the job's params."
    if isinstance(error, NotFound) and error.what in ("namespaces", "namespace", ""):
        reason, advice = "namespace_not_found", f"Create the namespace {work.order.namespace!r}, or name another."
    elif isinstance(error, Forbidden) and "exceeded quota" in error.message:
        reason, advice = "quota_exceeded", "Free some of the quota, or have it raised."
    elif isinstance(error, Forbidden) and _is_terminating(error):
        advice = f"The namespace {work.order.namespace!r} is being deleted: name another, or make it anew."
    elif isinstance(error, Forbidden) and " cannot " not in error.message:
        advice = "A policy of the cluster refuses it: correct the job's params, or have the policy changed."
    elif isinstance(error, Forbidden):
        advice = "Grant the runner's account what docs/kubernetes.md lists."
    elif isinstance(error, Conflict):
        advice = "Somebody else manages these fields; leave them to them, or have them give the fields up."
    evidence = {
        "api": {
            "status": error.status,
            "reason": error.api_reason,
            "causes": [{name: work.told(text) for name, text in cause.items()} for cause in error.causes[:10]],
        }
    }
    return Verdict("failed", reason, f"{work.told(error.message)} {advice}", evidence=evidence)


def _passes_by(error: ClusterError) -> bool:
    """Tell whether it is a race inside of the API server and not an answer to what was asked."""
    if isinstance(error, Conflict) and not isinstance(error, AlreadyThere):
        # The object, or a quota that it counts in, was changed at the same moment; another owner's field has a cause.
        return all(cause.get("reason") != "FieldManagerConflict" for cause in error.causes)
    return isinstance(error, Forbidden) and "status unknown for quota" in error.message


def _is_terminating(error: Forbidden) -> bool:
    return "because it is being terminated" in error.message
