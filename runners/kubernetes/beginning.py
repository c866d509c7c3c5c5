"""Begin an attempt: may its job go there, and what the API server's refusal means for it."""

from __future__ import annotations

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
from runners.models import Cluster

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
    return None


def refusal(error: ClusterError, *, work: Work) -> Verdict:
    """Return the verdict that the API server's refusal of the attempt's object is."""
    reason, advice = error.reason, "Correct the job's params."
    if isinstance(error, NotFound) and error.what in ("namespaces", "namespace", ""):
        reason, advice = "namespace_not_found", f"Create the namespace {work.order.namespace!r}, or name another."
    elif isinstance(error, Forbidden) and "exceeded quota" in error.message:
        reason, advice = "quota_exceeded", "Free some of the quota, or have it raised."
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
