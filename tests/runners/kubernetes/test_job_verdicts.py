"""What a Job says of its attempt: decided by its conditions, explained by its pods and events."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from runners.kubernetes.evidence import LIMIT_BYTES
from runners.kubernetes.job_verdicts import judge_job, judge_timeout
from runners.kubernetes.standing import Standing, Verdict
from tests.runners.kubernetes.cluster_objects import (
    JOB_UID,
    NOW,
    a_job,
    a_pod,
    ago,
    an_event,
    condition,
    container,
    ended,
)

COMPLETE = condition("Complete", reason="CompletionsReached")
FAILED = condition("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")
DEADLINE = condition("Failed", reason="DeadlineExceeded", message="Job was active longer than specified deadline")
UNSCHEDULABLE = condition("PodScheduled", status="False", reason="Unschedulable", message="0/1 nodes are available.")
EXITED = a_pod(container(terminated=ended(3)), phase="Failed", name="a")
KILLED_SIBLING = a_pod(container(terminated=ended(137, finishedAt=ago(50))), phase="Failed", name="b", deleted=True)
DISRUPTED = condition("DisruptionTarget", reason="EvictionByEvictionAPI")
QUOTA = 'pods "tp-demo-41-2-" is forbidden: exceeded quota: small, requested: cpu=8, used: cpu=0, limited: cpu=4'
NO_ACCOUNT = 'error looking up service account builds/robot: serviceaccount "robot" not found'


def judge(
    job: dict[str, Any], *pods: dict[str, Any], events: list[dict[str, Any]] | None = None, later: float = 0
) -> Standing:
    return judge_job(job, pods=pods, events=events or [], now=NOW + timedelta(seconds=later))


def verdict_of(job: dict[str, Any], *pods: dict[str, Any], events: list[dict[str, Any]] | None = None) -> Verdict:
    standing = judge(job, *pods, events=events)
    assert standing.verdict is not None
    assert not standing.must_delete
    assert standing.message == standing.verdict.message
    return standing.verdict


def refusals(message: str, *, first: float) -> list[dict[str, Any]]:
    return [an_event(JOB_UID, "FailedCreate", f"Error creating: {message}", first=first)]


def test_only_complete_is_success() -> None:
    verdict = verdict_of(a_job(COMPLETE), a_pod(container(terminated=ended(0)), phase="Succeeded"))

    assert (verdict.outcome, verdict.reason, verdict.exit_code) == ("succeeded", "", 0)
    assert judge(a_job(COMPLETE)).progress == 100


@pytest.mark.parametrize(
    ("pods", "outcome", "reason", "exit_code"),
    [
        ([EXITED], "failed", "exit_code", 3),
        # What the controller killed once one had failed explains nothing, even if it ended first.
        ([KILLED_SIBLING, EXITED], "failed", "exit_code", 3),
        ([a_pod(container(terminated=ended(9, finishedAt=ago(9))), phase="Failed", name="0"), EXITED], "failed",
         "exit_code", 3),
        ([a_pod(container(terminated=ended(143)), phase="Failed", conditions=[DISRUPTED], name="0"), EXITED], "failed",
         "exit_code", 3),
        ([a_pod(container(terminated=ended(137, reason="OOMKilled")), phase="Failed")], "failed", "oom_killed", 137),
        ([a_pod(phase="Failed", reason="Evicted", conditions=[condition("DisruptionTarget", reason="x")])], "lost",
         "evicted", None),
        ([a_pod(container(terminated=ended(143)), phase="Failed", conditions=[DISRUPTED], deleted=True)], "lost",
         "evicted", None),
        # Deleted by hand: gone at once, or still on its way.
        ([], "lost", "pod_deleted", None),
        ([KILLED_SIBLING], "lost", "pod_deleted", None),
        ([a_pod(container(terminated=ended(3)), phase="Failed", owner=("Job", "of-another"))], "lost",
         "pod_deleted", None),
    ],
)  # fmt: skip
def test_a_failed_job_is_explained_by_its_own_pods(
    pods: list[dict[str, Any]], outcome: str, reason: str, exit_code: int | None
) -> None:
    verdict = verdict_of(a_job(FAILED, status={"failed": 1}), *pods)

    assert (verdict.outcome, verdict.reason, verdict.exit_code) == (outcome, reason, exit_code)


def test_the_deadline_of_kubernetes_is_a_timeout() -> None:
    verdict = verdict_of(a_job(DEADLINE, timeout=60))

    assert (verdict.outcome, verdict.reason) == ("timed_out", "deadline")
    assert "Raise 'timeout'" in verdict.message


def test_the_deadline_of_a_pod_that_no_node_took_says_so() -> None:
    verdict = verdict_of(a_job(DEADLINE, timeout=60), a_pod(conditions=[UNSCHEDULABLE], scheduled=None))

    assert (verdict.outcome, verdict.reason) == ("timed_out", "unschedulable")
    assert "0/1 nodes are available." in verdict.message


@pytest.mark.parametrize(
    ("events", "reason", "said"),
    [
        (refusals(NO_ACCOUNT, first=60), "config_error", "correct 'service_account'"),
        (refusals(QUOTA, first=60), "quota_exceeded", "raise the quota"),
        ([], "no_pods", "before it had a pod (BackoffLimitExceeded)"),
    ],
)
def test_a_job_that_failed_without_ever_having_a_pod_says_why(
    events: list[dict[str, Any]], reason: str, said: str
) -> None:
    verdict = verdict_of(a_job(FAILED), events=events)

    assert (verdict.outcome, verdict.reason) == ("failed", reason)
    assert said in verdict.message


@pytest.mark.parametrize(
    ("message", "first", "reason", "is_decided"),
    [
        (NO_ACCOUNT, 29, "config_error", False),
        (NO_ACCOUNT, 30, "config_error", True),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot', 30, "config_error", True),
        ("Internal error occurred: failed calling webhook", 30, "no_pods", True),
        (QUOTA, 299, "quota_exceeded", False),
        (QUOTA, 300, "quota_exceeded", True),
    ],
)
def test_pods_that_are_refused_decide_after_a_grace(message: str, first: float, reason: str, is_decided: bool) -> None:
    standing = judge(a_job(), events=refusals(message, first=first))

    assert message in standing.message
    assert standing.must_delete is is_decided
    assert (standing.verdict.reason if standing.verdict else None) == (reason if is_decided else None)


def test_a_refusal_that_is_over_decides_nothing() -> None:
    running = a_pod(container(running={"startedAt": ago(5)}), phase="Running")

    created = an_event(JOB_UID, "SuccessfulCreate", "Created pod: x", first=1, last=0, type="Normal")

    assert judge(a_job(), running, events=refusals(NO_ACCOUNT, first=100)) == Standing(progress=0)
    assert judge(a_job(), events=[created, *refusals(NO_ACCOUNT, first=100)]).verdict is None


@pytest.mark.parametrize("kind", ["SuccessCriteriaMet", "FailureTarget", "Suspended"])
def test_a_pods_trouble_does_not_overrule_what_kubernetes_has_decided(kind: str) -> None:
    pod = a_pod(container(waiting={"reason": "InvalidImageName"}))

    assert judge(a_job(condition(kind)), pod).verdict is None


def test_a_job_without_pods_or_troubles_asks_for_events() -> None:
    assert judge(a_job()).wants_events
    assert not judge(a_job(), a_pod()).wants_events
    assert not judge(a_job(condition("Suspended"))).wants_events
    assert not judge(a_job(), later=-118).wants_events


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ({"reason": "ImagePullBackOff", "message": "not found"}, "image_pull"),
        ({"reason": "InvalidImageName"}, "config_error"),
        ({"reason": "CreateContainerConfigError"}, "config_error"),
    ],
)
def test_what_kubernetes_would_wait_for_for_ever_is_decided_and_deleted(waiting: dict[str, Any], reason: str) -> None:
    standing = judge(a_job(status={"active": 1}), a_pod(container(waiting=waiting)))

    assert standing.must_delete
    assert standing.verdict is not None
    assert (standing.verdict.outcome, standing.verdict.reason) == ("failed", reason)


def test_another_jobs_pod_decides_nothing() -> None:
    pod = a_pod(container(waiting={"reason": "InvalidImageName"}), owner=("Job", "of-another"))

    merely_related = a_pod(container(waiting={"reason": "InvalidImageName"}))
    merely_related["metadata"]["ownerReferences"][0]["controller"] = False

    assert judge(a_job(), pod, merely_related).verdict is None


@pytest.mark.parametrize(
    ("job", "pods", "said"),
    [
        (a_job(), [a_pod(conditions=[UNSCHEDULABLE], scheduled=None)], "No node can take the pod. 0/1 nodes are"),
        (a_job(condition("Suspended", reason="JobSuspended")), [], "Suspended in the cluster"),
        (a_job(condition("SuccessCriteriaMet")), [], "It has succeeded; its pods are still ending."),
        (a_job(condition("FailureTarget", reason="BackoffLimitExceeded")), [EXITED], "It has failed; its pods are"),
        (a_job(condition("Complete", status="False"), condition("Failed", status="False")), [], ""),
        (a_job(), [a_pod(phase="Failed", conditions=[DISRUPTED], name="gone")], "The cluster takes the pod gone away"),
        # The pods' own word is not the Job's: its controller has not counted them yet.
        (a_job(), [EXITED], ""),
        (a_job(), [a_pod(container(terminated=ended(0)), phase="Succeeded")], ""),
    ],
)  # fmt: skip
def test_other_conditions_inform_and_decide_nothing(job: dict[str, Any], pods: list[dict[str, Any]], said: str) -> None:
    standing = judge(job, *pods)

    assert standing.verdict is None
    assert standing.message.startswith(said)
    assert bool(standing.message) is bool(said)


@pytest.mark.parametrize(
    ("params", "succeeded", "progress"),
    [
        ({}, None, 0),
        ({"completions": 4, "parallelism": 2}, 1, 25),
        ({"completions": 3}, 2, 66),
        ({"completions": 3}, 3, 100),
    ],
)
def test_progress_follows_completions(params: dict[str, Any], succeeded: int | None, progress: int) -> None:
    status = {} if succeeded is None else {"succeeded": succeeded}

    assert judge(a_job(params=params, status=status)).progress == progress


def test_a_queue_of_work_has_no_progress() -> None:
    job = a_job(params={"parallelism": 3}, status={"succeeded": 1})
    del job["spec"]["completions"]  # as the API leaves it, given parallelism alone

    assert judge(job).progress is None


def test_a_timeout_says_what_it_was_spent_on() -> None:
    pods = [a_pod(conditions=[UNSCHEDULABLE], scheduled=None)]

    verdict = judge_timeout(a_job(), pods=pods, events=[], timeout=30, now=NOW)

    assert (verdict.outcome, verdict.reason) == ("timed_out", "unschedulable")
    assert "within its timeout of 30 s" in verdict.message
    assert "0/1 nodes are available." in verdict.message
    assert verdict.evidence["pods"][0]["conditions"][0]["reason"] == "Unschedulable"


@pytest.mark.parametrize("job", [None, a_job()])
def test_a_timeout_of_work_that_ran_says_to_raise_it(job: dict[str, Any] | None) -> None:
    verdict = judge_timeout(job, pods=[], events=[], timeout=30, now=NOW)

    assert (verdict.outcome, verdict.reason) == ("timed_out", "timeout")
    assert "raise 'timeout'" in verdict.message


def test_the_evidence_has_what_was_seen() -> None:
    events = [an_event("uid-of-a", "BackOff", "Back-off", first=30)]

    evidence = verdict_of(a_job(FAILED, status={"failed": 1}), EXITED, events=events).evidence

    assert evidence["object"]["uid"] == JOB_UID
    assert evidence["object"]["conditions"][0]["reason"] == "BackoffLimitExceeded"
    assert evidence["pods"][0]["name"] == "a"
    assert evidence["pods"][0]["containers"][0]["state"] == {
        "is": "terminated", "reason": "Error", "startedAt": ago(60), "finishedAt": ago(10), "exitCode": 3
    }  # fmt: skip
    assert [event["reason"] for event in evidence["events"]] == ["BackOff"]


def test_evidence_is_bounded_whatever_a_cluster_says() -> None:
    long = "\0é" * 5000
    containers = [container(f"c{n}", terminated=ended(1, message=long)) for n in range(30)]
    pods = [a_pod(*containers, phase="Failed", name=f"{n:03}", message=long) for n in range(50)]
    events = [an_event("uid-of-000", "Failed", long, first=n) for n in range(100)]

    evidence = verdict_of(a_job(FAILED, status={"failed": 1}), *pods, events=events).evidence

    written = json.dumps(evidence)
    assert len(written) <= LIMIT_BYTES
    assert "\\u0000" not in written
    assert evidence["pods"] and evidence["events"]
