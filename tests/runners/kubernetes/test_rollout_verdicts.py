"""What a Deployment says of a rollout: kubectl's rules in their order, and the guards that it does not need."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runners.kubernetes.objects import rollback_manifest
from runners.kubernetes.rollout_verdicts import (
    Applied,
    judge_rollout,
    judge_rollout_timeout,
    template_of_revision,
)
from runners.kubernetes.standing import Standing
from tests.runners.kubernetes.cluster_objects import (
    DEPLOYMENT_UID,
    NOW,
    a_deployment,
    a_pod,
    a_replica_set,
    ago,
    an_event,
    condition,
    container,
    ended,
    order,
)
from tests.runners.kubernetes.openapi_types import mistakes

APPLIED_AT = NOW - timedelta(seconds=100, microseconds=-400_000)
APPLIED = Applied.of(a_deployment(generation=2), before=a_deployment(generation=1), applied_at=APPLIED_AT)
UNCHANGED = Applied.of(a_deployment(generation=2), before=a_deployment(generation=2), applied_at=APPLIED_AT)
QUOTA = condition("ReplicaFailure", reason="FailedCreate", message='pods "web-" is forbidden: exceeded quota', since=60)


def exceeded(since: float) -> dict[str, Any]:
    said = 'ReplicaSet "web-6d5f" has timed out progressing.'
    return condition("Progressing", status="False", reason="ProgressDeadlineExceeded", message=said, since=since)


def judge(
    deployment: dict[str, Any] | None,
    *pods: dict[str, Any],
    applied: Applied = APPLIED,
    replica_sets: list[dict[str, Any]] | None = None,
    events: list[dict[str, Any]] | None = None,
    later: float = 0,
) -> Standing:
    if replica_sets is None:
        replica_sets = [a_replica_set(deployment)] if deployment else []
    return judge_rollout(
        deployment,
        applied=applied,
        pods=pods,
        events=events or [],
        replica_sets=replica_sets,
        now=NOW + timedelta(seconds=later),
    )


def pod_of(replica_set: str = "web-6d5f", *containers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return a_pod(*containers, owner=("ReplicaSet", f"uid-of-{replica_set}"), name=f"{replica_set}-x", **changes)


def pulling(replica_set: str = "web-6d5f", **changes: Any) -> dict[str, Any]:
    status = container("build", waiting={"reason": "ImagePullBackOff", "message": "not found"})
    return pod_of(replica_set, status, **changes)


DECIDED: list[tuple[dict[str, Any] | None, Applied, str, str]] = [
    (a_deployment(), APPLIED, "succeeded", "rolled_out"),
    (a_deployment(), UNCHANGED, "succeeded", "unchanged"),
    (a_deployment(counts=(0, 0, 0), spec={"replicas": 0}), APPLIED, "succeeded", "rolled_out"),
    (a_deployment(counts=(3, 3, 3)), APPLIED, "succeeded", "rolled_out"),
    # An autoscaler's number counts, and its change of it is no other rollout.
    (a_deployment(generation=3, counts=(5, 5, 5), spec={"replicas": 5}), APPLIED, "succeeded", "rolled_out"),
    (a_deployment(exceeded(99), counts=(3, 1, 2)), APPLIED, "failed", "progress_deadline_exceeded"),
    (a_deployment(exceeded(100), counts=(3, 1, 2)), APPLIED, "failed", "progress_deadline_exceeded"),
    # kubectl looks at the deadline before it counts.
    (a_deployment(exceeded(10)), APPLIED, "failed", "progress_deadline_exceeded"),
    (a_deployment(QUOTA, counts=(2, 0, 2)), APPLIED, "failed", "replica_failure"),
    (a_deployment(counts=(2, 0, 2), spec={"paused": True}), APPLIED, "failed", "paused"),
    (a_deployment(generation=3, counts=(2, 0, 2), spec={"paused": True}), APPLIED, "failed", "paused"),
    (a_deployment(generation=3, image="nginx:1.31"), APPLIED, "failed", "superseded"),
    (a_deployment(generation=3, image="nginx:1.31", observed=2), UNCHANGED, "failed", "superseded"),
    (None, APPLIED, "failed", "deleted"),
    (a_deployment(deleted=True), APPLIED, "failed", "deleted"),
    (a_deployment(uid="of-a-namesake"), APPLIED, "failed", "deleted"),
]


@pytest.mark.parametrize(("deployment", "applied", "outcome", "reason"), DECIDED)
def test_what_decides_a_rollout(deployment: dict[str, Any] | None, applied: Applied, outcome: str, reason: str) -> None:
    standing = judge(deployment, applied=applied)

    assert standing.verdict is not None
    assert (standing.verdict.outcome, standing.verdict.reason) == (outcome, reason)
    assert standing.message == standing.verdict.message != ""
    assert not standing.must_delete
    assert standing.progress == 100 or outcome == "failed"


WAITING: list[tuple[dict[str, Any], str]] = [
    (a_deployment(observed=1), "Waits for the cluster to take note of the change."),
    # What the status says speaks of the spec before.
    (a_deployment(exceeded(10), QUOTA, observed=1), "Waits for the cluster to take note of the change."),
    (a_deployment(counts=(2, 1, 2)), "1 of 2 new pods exist."),
    (a_deployment(counts=(3, 2, 3)), "1 old pods are still to go."),
    (a_deployment(counts=(2, 2, 1)), "1 of 2 new pods are available."),
    # The deadline of an earlier rollout.
    (a_deployment(exceeded(101), counts=(2, 2, 1)), "1 of 2 new pods are available."),
    (a_deployment(condition("Progressing", reason="ReplicaSetUpdated"), counts=(2, 2, 1)), "1 of 2 new pods"),
    (a_deployment({**QUOTA, "lastTransitionTime": ago(59)}, counts=(2, 0, 2)),
     "0 of 2 new pods exist. The cluster refuses its pods. pods \"web-\" is forbidden: exceeded quota."),
    # So old that it may be the earlier rollout's, until a grace after ours.
    (a_deployment(counts=(2, 2, 1), spec={"replicas": 2}), "1 of 2"),
]  # fmt: skip


@pytest.mark.parametrize(("deployment", "said"), WAITING)
def test_what_a_rollout_waits_for(deployment: dict[str, Any], said: str) -> None:
    standing = judge(deployment)

    assert standing.verdict is None
    assert standing.message.startswith(said)


def test_a_refusal_older_than_the_apply_has_its_grace_from_the_apply() -> None:
    deployment = a_deployment({**QUOTA, "lastTransitionTime": ago(3000)}, counts=(2, 0, 2))

    assert judge(deployment, later=-41).verdict is None
    assert judge(deployment, later=-39).verdict is not None


def test_a_stale_deadline_of_an_unchanged_deployment_is_counted_by_our_clock() -> None:
    deployment = a_deployment(exceeded(3000), counts=(2, 2, 1))

    assert judge(deployment, applied=UNCHANGED, later=509).verdict is None
    late = judge(deployment, applied=UNCHANGED, later=511).verdict
    assert late is not None
    assert late.reason == "progress_deadline_exceeded"
    assert "by this service's clock" in late.message


def test_an_image_that_cannot_be_pulled_decides_after_its_grace() -> None:
    deployment = a_deployment(counts=(3, 1, 2))

    early, late = judge(deployment, pulling(scheduled=20)), judge(deployment, pulling(scheduled=40))

    assert early.verdict is None
    assert "cannot be pulled" in early.message
    assert late.verdict is not None
    assert (late.verdict.outcome, late.verdict.reason) == ("failed", "image_pull")
    assert late.verdict.evidence["pods"][0]["containers"][0]["state"]["reason"] == "ImagePullBackOff"


def test_the_events_are_in_the_evidence() -> None:
    events = [an_event("uid-of-web-6d5f-x", "Failed", "Failed to pull image", first=60)]

    verdict = judge(a_deployment(counts=(3, 1, 2)), pulling(), events=events).verdict

    assert verdict is not None
    assert verdict.evidence["events"][0]["message"] == "Failed to pull image"


def test_pods_of_an_older_revision_decide_nothing() -> None:
    deployment = a_deployment(counts=(3, 1, 2))
    older = a_replica_set(deployment, name="web-0001", revision="1", image="nosuch:1")
    newest = a_replica_set(deployment)

    assert judge(deployment, pulling("web-0001"), replica_sets=[older, newest]).verdict is None
    # Nor while none could be made for the new template, when the old one has the highest revision.
    assert judge(deployment, pulling("web-0001"), replica_sets=[older]).verdict is None


def test_a_crash_loop_is_shown_and_left_to_the_deadline() -> None:
    crashing = container("build", waiting={"reason": "CrashLoopBackOff"}, last={"terminated": ended(2)})

    waiting = judge(a_deployment(counts=(3, 1, 2)), pod_of("web-6d5f", crashing, phase="Running"))
    over = judge(a_deployment(exceeded(1), counts=(3, 1, 2)), pod_of("web-6d5f", crashing, phase="Running"))

    assert waiting.verdict is None
    assert "exited with code 2" in waiting.message
    assert over.verdict is not None and over.verdict.reason == "progress_deadline_exceeded"
    assert "exited with code 2" in over.verdict.message


@pytest.mark.parametrize(
    ("counts", "of_newest", "progress"), [((3, 1, 2), 0, 0), ((3, 2, 2), 1, 50), ((2, 2, 1), None, 50)]
)
def test_progress_counts_the_new_pods_that_serve(
    counts: tuple[int, int, int], of_newest: int | None, progress: int
) -> None:
    deployment = a_deployment(counts=counts)
    sets = [] if of_newest is None else [a_replica_set(deployment, available=of_newest)]

    assert judge(deployment, replica_sets=sets).progress == progress


def test_a_timeout_says_what_it_was_spent_on() -> None:
    deployment = a_deployment(counts=(2, 2, 1))

    verdict = judge_rollout_timeout(
        deployment, applied=APPLIED, pods=[], events=[], replica_sets=[], timeout=90, now=NOW
    )

    assert (verdict.outcome, verdict.reason) == ("timed_out", "timeout")
    assert verdict.message == "Not rolled out within the job's timeout of 90 s. 1 of 2 new pods are available."


def test_a_timeout_of_what_is_decided_changes_nothing() -> None:
    verdict = judge_rollout_timeout(
        a_deployment(), applied=APPLIED, pods=[], events=[], replica_sets=[], timeout=90, now=NOW
    )

    assert verdict.reason == "rolled_out"


@pytest.mark.parametrize(
    ("before", "changed", "revision"),
    [
        (None, True, None),
        (a_deployment(generation=1, revision="1"), True, "1"),
        (a_deployment(generation=2, revision="4"), False, "4"),
        (a_deployment(generation=2, uid="of-a-predecessor"), True, "2"),
    ],
)
def test_what_was_applied_is_told_from_before_and_after(
    before: dict[str, Any] | None, changed: bool, revision: str | None
) -> None:
    applied = Applied.of(a_deployment(generation=2), before=before, applied_at=APPLIED_AT)

    assert (applied.uid, applied.generation) == (DEPLOYMENT_UID, 2)
    assert (applied.changed, applied.revision_before) == (changed, revision)
    assert Applied.from_json(applied.to_json()) == applied


def test_without_a_fingerprint_any_later_generation_supersedes() -> None:
    applied = Applied(DEPLOYMENT_UID, generation=2, changed=True, revision_before=None, applied_at=APPLIED_AT)

    standing = judge(a_deployment(generation=3), applied=applied)

    assert standing.verdict is not None and standing.verdict.reason == "superseded"


def test_a_rollback_applies_the_template_of_the_revision_before() -> None:
    deployment = a_deployment()
    older = a_replica_set(deployment, name="web-0001", revision="1", image="nginx:1.28")
    namesake = {**older, "metadata": {**older["metadata"], "ownerReferences": []}}

    template = template_of_revision([namesake, older, a_replica_set(deployment)], uid=DEPLOYMENT_UID, revision="1")

    assert template is not None
    assert template["spec"]["containers"][0]["image"] == "nginx:1.28"
    assert template["metadata"]["labels"] == deployment["spec"]["template"]["metadata"]["labels"]
    manifest = rollback_manifest(order(kind="K8S/Deployment", params={"name": "web", "replicas": 2}), template=template)
    assert mistakes(manifest, "V1Deployment") == []
    assert manifest["spec"]["template"] == template
    assert template_of_revision([older], uid=DEPLOYMENT_UID, revision="7") is None
