"""Why a pod failed or does not run: every row of what clusters are known to show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runners.kubernetes.pods import failure_of, trouble_of
from runners.kubernetes.standing import Verdict
from tests.runners.kubernetes.cluster_objects import MAIN, NOW, a_pod, ago, an_event, condition, container, ended

NOT_FOUND = (
    'failed to pull and unpack image "docker.io/library/nosuch:1": failed to resolve reference: '
    "docker.io/library/nosuch:1: not found"
)
DISRUPTED = condition(
    "DisruptionTarget", reason="TerminationByKubelet", message="The node was low on resource: memory."
)
UNSCHEDULABLE = condition(
    "PodScheduled", status="False", reason="Unschedulable", message="0/1 nodes are available: 1 Insufficient cpu."
)


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return container(waiting={"reason": reason, **({"message": message} if message else {})})


FAILURES: list[tuple[dict[str, Any], Verdict, str]] = [
    (a_pod(container(terminated=ended(3)), phase="Failed"),
     Verdict("failed", "exit_code", exit_code=3), "build exited with code 3; its log may say why."),
    (a_pod(container(terminated=ended(1, message="boom\0\n")), phase="Failed"),
     Verdict("failed", "exit_code", exit_code=1), "boom\ufffd."),
    (a_pod(container(terminated=ended(137, reason="OOMKilled")), phase="Failed"),
     Verdict("failed", "oom_killed", exit_code=137, signal=9), "used more memory than it may (64Mi): raise"),
    (a_pod(container(terminated=ended(143)), phase="Failed"),
     Verdict("failed", "signal", exit_code=143, signal=15), "killed by signal 15 (SIGTERM), not by this service"),
    (a_pod(container(terminated=ended(255)), phase="Failed"),
     Verdict("failed", "exit_code", exit_code=255), "exited with code 255"),
    (a_pod(container(terminated=ended(128, reason="StartError", message='exec: "nosuch": executable file not found',
                                      startedAt="1970-01-01T00:00:00Z")), phase="Failed"),
     Verdict("failed", "config_error", exit_code=128), "executable file not found. Correct 'command'"),
    (a_pod(container(terminated=ended(137, reason="ContainerStatusUnknown", message="could not be located")),
           phase="Failed"),
     Verdict("lost", "pod_lost"), "The node lost sight of build"),
    (a_pod(phase="Failed"), Verdict("lost", "pod_lost"), "no container says why"),
    # Evicted: by the node, for what it used itself, before it ever ran.
    (a_pod(container(terminated=ended(137)), phase="Failed", reason="Evicted", conditions=[DISRUPTED],
           message="The node was low on resource: memory."),
     Verdict("lost", "evicted"), "The node was low on resource: memory. It is tried again off the job's retries."),
    (a_pod(container(terminated=ended(137)), phase="Failed", reason="Evicted",
           message="Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. "),
     Verdict("failed", "evicted"), "exceeds the total limit of containers 1Gi. Raise its limits in 'resources'"),
    (a_pod(waiting("ContainerCreating"), phase="Failed", reason="Evicted", message="The node had [DiskPressure]."),
     Verdict("lost", "evicted"), "[DiskPressure]"),
    (a_pod(container(terminated=ended(128, startedAt="1970-01-01T00:00:00Z")), phase="Failed", reason="Evicted"),
     Verdict("lost", "evicted"), "(Evicted)"),
    (a_pod(container(terminated=ended(137)), phase="Failed",
           conditions=[condition("DisruptionTarget", reason="EvictionByEvictionAPI", message="Eviction API")]),
     Verdict("lost", "evicted"), "took the pod tp-demo-41-2-x7k2p away (EvictionByEvictionAPI). Eviction API."),
    (a_pod(container(terminated=ended(143)), phase="Failed",
           conditions=[condition("DisruptionTarget", reason="PreemptionByScheduler")]),
     Verdict("lost", "disruption"), "(PreemptionByScheduler)"),
    (a_pod(container(terminated=ended(143)), phase="Failed", reason="Terminated",
           message="Pod was terminated in response to imminent node shutdown."),
     Verdict("lost", "disruption"), "in response to imminent node shutdown."),
    (a_pod(phase="Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
     Verdict("lost", "disruption"), "The node refused the pod tp-demo-41-2-x7k2p (OutOfcpu)"),
    # Which container explains it: init, main, those that others put beside it.
    (a_pod(waiting("PodInitializing"), init=[container("fetch", terminated=ended(4))], phase="Failed"),
     Verdict("failed", "exit_code", exit_code=4), "fetch exited with code 4"),
    (a_pod(container("proxy", terminated=ended(137)), container(terminated=ended(3)), phase="Failed"),
     Verdict("failed", "exit_code", exit_code=3), "build exited with code 3"),
    (a_pod(container(terminated=ended(0)), container("proxy", terminated=ended(9)), phase="Failed"),
     Verdict("failed", "exit_code", exit_code=9), "proxy exited with code 9"),
]  # fmt: skip


@pytest.mark.parametrize(("pod", "verdict", "said"), FAILURES)
def test_a_failed_pod_says_why(pod: dict[str, Any], verdict: Verdict, said: str) -> None:
    found = failure_of(pod, main=MAIN)

    assert (found.outcome, found.reason, found.exit_code, found.signal) == (
        verdict.outcome,
        verdict.reason,
        verdict.exit_code,
        verdict.signal,
    )
    assert said in found.message


TROUBLES: list[tuple[dict[str, Any], str, bool, str]] = [
    (a_pod(conditions=[UNSCHEDULABLE], scheduled=None), "unschedulable", False,
     "No node can take the pod. 0/1 nodes are available: 1 Insufficient cpu. Ask for less in 'resources'"),
    (a_pod(conditions=[condition("PodScheduled", status="False", reason="SchedulingGated")], scheduled=None),
     "unschedulable", False, "scheduling gates"),
    (a_pod(waiting("InvalidImageName", "couldn't parse image name"), scheduled=1), "config_error", True,
     "is no name of an image: correct 'image_name'"),
    (a_pod(waiting("ErrImagePull", NOT_FOUND), scheduled=29), "image_pull", False, "there is no such image"),
    (a_pod(waiting("ErrImagePull", NOT_FOUND), scheduled=30), "image_pull", True, "Correct 'image_name'"),
    (a_pod(waiting("ImagePullBackOff", "Back-off pulling x"), scheduled=40), "image_pull", True, "Check 'image_name'"),
    (a_pod(waiting("ErrImagePull", "401 Unauthorized"), scheduled=40), "image_pull", True, "'image_pull_secrets'"),
    (a_pod(waiting("ErrImagePull", "dial tcp: lookup registry: no such host"), scheduled=40), "image_pull", True,
     "try again later"),
    (a_pod(waiting("ErrImageNeverPull", "not present with pull policy of Never"), scheduled=40), "image_pull", True,
     "choose another policy"),
    (a_pod(waiting("ImageInspectError"), scheduled=40), "image_pull", True, "(ImageInspectError)"),
    (a_pod(waiting("CreateContainerConfigError", "no secret"), scheduled=10), "config_error", False, "secret"),
    (a_pod(waiting("CreateContainerConfigError", 'secret "db" not found'), scheduled=40), "config_error", True,
     "Make what it refers to in the namespace."),
    (a_pod(waiting("CreateContainerError", "no command"), scheduled=40), "config_error", True, "Correct 'command'"),
    (a_pod(waiting("RunContainerError", "exec format"), scheduled=40), "config_error", True, "exec format"),
    (a_pod(container(waiting={"reason": "CrashLoopBackOff"}, last={"terminated": ended(2)}), phase="Running"),
     "crash_loop", False, "again and again. build exited with code 2"),
    (a_pod(waiting("PodInitializing"), init=[container("fetch", waiting={"reason": "ImagePullBackOff"})], scheduled=40),
     "image_pull", True, "cannot be pulled"),
]  # fmt: skip


@pytest.mark.parametrize(("pod", "reason", "is_fatal", "said"), TROUBLES)
def test_a_pod_that_does_not_run_says_why(pod: dict[str, Any], reason: str, is_fatal: bool, said: str) -> None:
    trouble = trouble_of(pod, main=MAIN, events=[], now=NOW)

    assert trouble is not None
    assert (trouble.reason, trouble.is_fatal) == (reason, is_fatal)
    assert said in trouble.message


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(waiting("ContainerCreating")),
        a_pod(container(running={"startedAt": ago(5)}), phase="Running"),
        a_pod(container(terminated=ended(0)), phase="Succeeded"),
        a_pod(waiting("ErrImagePull"), deleted=True),
    ],
)
def test_a_pod_that_runs_starts_or_is_on_its_way_out_has_no_trouble(pod: dict[str, Any]) -> None:
    assert trouble_of(pod, main=MAIN, events=[], now=NOW) is None


def test_the_grace_counts_from_the_first_failure_not_from_the_start_of_a_long_pull() -> None:
    pod = a_pod(waiting("ImagePullBackOff", 'Back-off pulling image "nosuch:1"'), scheduled=100)
    about, another = pod["metadata"]["uid"], "uid-of-another"
    events = [
        an_event(another, "Failed", "Error: ErrImagePull", first=90),
        an_event(about, "Pulling", "Pulling image", first=95, type="Normal"),
        an_event(about, "Failed", f'Failed to pull image "nosuch:1": {NOT_FOUND}', first=20),
        an_event(about, "BackOff", "Back-off pulling image", first=5),
    ]

    early = trouble_of(pod, main=MAIN, events=events, now=NOW)
    late = trouble_of(pod, main=MAIN, events=events, now=NOW + timedelta(seconds=10))

    assert early is not None and not early.is_fatal
    assert late is not None and late.is_fatal
    # The container only says that the kubelet waits; the event says for what.
    assert "no such image" in late.message
