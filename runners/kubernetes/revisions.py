"""What a Deployment was given to roll out, and the ReplicaSets that keep its revisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from runners.kubernetes.reading import Object, owned_by, uid_of

_REVISION = "deployment.kubernetes.io/revision"
_HASH_LABEL = "pod-template-hash"
# Set by autoscalers and by people without that another rollout begins.
_SCALED = frozenset({"replicas", "paused"})


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied: taken from the answer to the apply, kept with the attempt, JSON-able."""

    uid: str
    generation: int
    changed: bool
    revision_before: str | None
    applied_at: datetime
    fingerprint: str = ""
    """Of the Deployment's spec as the server had it then, without what is scaled or paused; empty: unknown."""

    @classmethod
    def of(cls, deployment: Object, *, before: Object | None, applied_at: datetime) -> Applied:
        """Return it from the answer to the apply and the Deployment as it was before, if there was one."""
        generation = _generation(deployment)
        return cls(
            uid=uid_of(deployment),
            generation=generation,
            changed=before is None or uid_of(before) != uid_of(deployment) or _generation(before) != generation,
            revision_before=revision_of(before) if before else None,
            applied_at=applied_at,
            fingerprint=_fingerprint(deployment),
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Applied:
        return cls(**{**value, "applied_at": datetime.fromisoformat(value["applied_at"])})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "applied_at": self.applied_at.isoformat()}

    def is_overtaken(self, deployment: Object) -> bool:
        """Tell whether somebody has since given the Deployment something else to roll out."""
        if _generation(deployment) <= self.generation:
            return False
        return not self.fingerprint or _fingerprint(deployment) != self.fingerprint


def is_observed(deployment: Object) -> bool:
    """Tell whether the Deployment's status speaks of its present spec."""
    return _generation(deployment) <= int((deployment.get("status") or {}).get("observedGeneration") or 0)


def revision_of(found: Object) -> str | None:
    """Return the revision that a Deployment or a ReplicaSet is at."""
    revision = (found.get("metadata", {}).get("annotations") or {}).get(_REVISION)
    return str(revision) if revision else None


def identity_of(deployment: Object) -> dict[str, Any]:
    """Return what tells a Deployment and its revision, and whose it is; nothing of what it runs."""
    metadata = deployment["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "uid", "generation", "labels") if name in metadata}
    revision = revision_of(deployment)
    return {"metadata": kept | ({"annotations": {_REVISION: revision}} if revision else {})}


def newest_of(deployment: Object, *, replica_sets: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the ReplicaSet of the Deployment's present template, as the Deployment's controller finds it.

    Not the one of the highest revision: while none could be made for a new template, that is the old one.
    """
    template = template_of(deployment)
    own = owned_by(uid_of(deployment), among=replica_sets)
    return next((each for each in own if template_of(each) == template), None)


def template_of_revision(replica_sets: Sequence[dict[str, Any]], *, uid: str, revision: str) -> dict[str, Any] | None:
    """Return the pod template of that revision of the Deployment, as `objects.rollback_manifest` takes it."""
    found = (each for each in owned_by(uid, among=replica_sets) if revision_of(each) == revision)
    return next((template_of(each) for each in found), None)


def template_of(found: Object) -> dict[str, Any]:
    """Return the pod template as the Deployment has it: without the ReplicaSet's own label."""
    template = (found.get("spec") or {}).get("template") or {}
    metadata = {name: value for name, value in (template.get("metadata") or {}).items() if value is not None}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != _HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _generation(deployment: Object) -> int:
    return int(deployment["metadata"].get("generation") or 0)


def _fingerprint(deployment: Object) -> str:
    spec = {name: value for name, value in (deployment.get("spec") or {}).items() if name not in _SCALED}
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
