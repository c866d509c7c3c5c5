"""The controllers play the lives that real ones lead."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiClient, AppsV1Api, BatchV1Api, CoreV1Api

from tests.kubernetes_api import ApiServer
from tests.kubernetes_api.manifests import deployment, job
from tests.kubernetes_api.resources import Object

IGNORE_DISRUPTIONS = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}


def conditions(obj: Object | None) -> list[tuple[str, str]]:
    assert obj
    return [(item["type"], item["reason"]) for item in obj["status"].get("conditions", []) if item["status"] == "True"]


def start(server: ApiServer, client: ApiClient, image: str, **spec: Any) -> None:
    BatchV1Api(client).create_namespaced_job("default", job("build", image=image, **spec))
    server.settle()


def states(server: ApiServer) -> list[tuple[str, str]]:
    """Phase and the first container's state of each pod."""
    seen = []
    for pod in server.objects("pods", "default"):
        ((kind, state),) = (pod["status"].get("containerStatuses") or [{"state": {"none": {}}}])[0]["state"].items()
        seen.append((pod["status"]["phase"], state.get("reason", kind)))
    return seen


def reasons(server: ApiServer) -> set[str]:
    return {event["reason"] for event in server.objects("events", "default")}


@pytest.mark.parametrize(
    ("image", "state", "reason"),
    [
        ("ok", [("Succeeded", "Completed")], "CompletionsReached"),
        ("slow/5", [("Succeeded", "Completed")], "CompletionsReached"),
        ("exit/3", [("Failed", "Error")], "BackoffLimitExceeded"),
        ("oom/x", [("Failed", "OOMKilled")], "BackoffLimitExceeded"),
        ("evict/limit", [("Failed", "Error")], "BackoffLimitExceeded"),
        ("evict/node", [("Failed", "Error"), ("Succeeded", "Completed")], "CompletionsReached"),
        ("disrupt/x", [("Succeeded", "Completed")], "CompletionsReached"),
        ("hang/x", [("Running", "running")], None),
        ("bad/x", [("Pending", "ImagePullBackOff")], None),
        ("invalid/x", [("Pending", "InvalidImageName")], None),
        ("registry.example/Upper:1", [("Pending", "InvalidImageName")], None),
        ("config/x", [("Pending", "CreateContainerConfigError")], None),
        ("unschedulable/x", [("Pending", "none")], None),
        ("quota/x", [], None),
    ],
)
def test_the_image_decides_how_a_job_ends(
    server: ApiServer, client: ApiClient, image: str, state: list[tuple[str, str]], reason: str | None
) -> None:
    start(server, client, image, podFailurePolicy=IGNORE_DISRUPTIONS)
    assert sorted(states(server)) == state
    said = conditions(server.get("jobs", "default", "build"))
    assert {why for _, why in said} == ({reason} if reason else set())


def test_the_target_comes_before_the_failure(server: ApiServer, client: ApiClient) -> None:
    BatchV1Api(client).create_namespaced_job("default", job("build", image="exit/3"))
    seen: list[list[str]] = []
    for _ in range(10):
        server.step()
        kinds = [kind for kind, _ in conditions(server.get("jobs", "default", "build"))]
        if not seen or seen[-1] != kinds:
            seen.append(kinds)
    assert seen == [[], ["FailureTarget"], ["FailureTarget", "Failed"]]


def test_a_deadline_kills_what_runs(server: ApiServer, client: ApiClient) -> None:
    start(server, client, "hang/x", activeDeadlineSeconds=60)
    server.advance(seconds=61)
    assert conditions(server.get("jobs", "default", "build")) == [("FailureTarget", "DeadlineExceeded")]
    server.settle()
    assert ("Failed", "DeadlineExceeded") in conditions(server.get("jobs", "default", "build"))
    assert server.objects("pods", "default") == []


def test_a_pod_deleted_by_hand_fails_its_job(server: ApiServer, client: ApiClient) -> None:
    start(server, client, "hang/x")
    CoreV1Api(client).delete_namespaced_pod(server.objects("pods", "default")[0]["metadata"]["name"], "default")
    server.settle()
    assert server.objects("pods", "default") == []
    assert ("Failed", "BackoffLimitExceeded") in conditions(server.get("jobs", "default", "build"))


def test_several_pods_run_side_by_side(server: ApiServer, client: ApiClient) -> None:
    BatchV1Api(client).create_namespaced_job("default", job("build", parallelism=2, completions=3))
    server.step()
    assert len(server.objects("pods", "default")) == 2
    server.settle()
    status = server.objects("jobs", "default")[0]["status"]
    assert (status["succeeded"], len(server.objects("pods", "default"))) == (3, 3)


def test_a_finished_job_goes_when_its_time_is_over(server: ApiServer, client: ApiClient) -> None:
    start(server, client, "ok", ttlSecondsAfterFinished=100)
    server.advance(seconds=101)
    server.settle()
    assert server.objects("jobs", "default") == server.objects("pods", "default") == []


def test_a_service_account_that_is_missing_keeps_pods_out(server: ApiServer, client: ApiClient) -> None:
    body = job("build")
    body["spec"]["template"]["spec"]["serviceAccountName"] = "builder"
    BatchV1Api(client).create_namespaced_job("default", body)
    server.settle()
    assert reasons(server) == {"FailedCreate"}
    server.service_accounts.add("builder")
    server.settle()
    assert states(server) == [("Succeeded", "Completed")]


def test_events_tell_what_held_a_pod_up(server: ApiServer, client: ApiClient) -> None:
    start(server, client, "bad/x")
    assert reasons(server) == {"Failed", "BackOff"}
    BatchV1Api(client).create_namespaced_job("default", job("other", image="unschedulable/x"))
    server.settle()
    assert "FailedScheduling" in reasons(server)


def test_logs_grow_and_are_served_in_parts(server: ApiServer, client: ApiClient) -> None:
    start(server, client, "hang/x")
    pod = server.objects("pods", "default")[0]
    name = pod["metadata"]["name"]
    server.write_log(pod, "one\ntwo\n")

    def read(*args: Any, **options: Any) -> str:
        # Decoded here: the client would give the text of Python's bytes.
        answer = CoreV1Api(client).read_namespaced_pod_log(*args, **options, _preload_content=False)
        text: str = answer.data.decode()
        return text

    assert read(name, "default") == "started\none\ntwo\n"
    assert read(name, "default", tail_lines=1) == "two\n"
    assert read(name, "default", limit_bytes=9) == "started\no"
    stamp, _, text = read(name, "default", tail_lines=1, timestamps=True).partition(" ")
    assert (len(stamp), text) == (30, "two\n")
    server.advance(seconds=100)
    server.write_log(pod, "three\n")
    assert read(name, "default", since_seconds=50) == "three\n"


def roll_out(server: ApiServer, client: ApiClient, image: str, **spec: int) -> Object:
    apps = AppsV1Api(client)
    body = deployment("web", image=image, **spec)
    apps.patch_namespaced_deployment(
        "web", "default", body, field_manager="t", _content_type="application/apply-patch+yaml"
    )
    server.settle()
    return server.objects("deployments", "default")[0]


def revision(obj: Object) -> str:
    return str(obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def images(server: ApiServer) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in server.objects("pods", "default")}


def test_a_deployment_rolls_from_one_template_to_the_next(server: ApiServer, client: ApiClient) -> None:
    first = roll_out(server, client, "v1")
    assert ("Progressing", "NewReplicaSetAvailable") in conditions(first)
    assert first["status"]["availableReplicas"] == first["status"]["updatedReplicas"] == 3
    second = roll_out(server, client, "v2")
    assert (revision(first), revision(second), images(server)) == ("1", "2", {"v2"})
    assert second["status"]["observedGeneration"] == second["metadata"]["generation"] == 2
    back = roll_out(server, client, "v1")
    assert (revision(back), images(server), len(server.objects("replicasets", "default"))) == ("3", {"v1"}, 2)


def test_the_generation_is_observed_a_round_later(server: ApiServer, client: ApiClient) -> None:
    roll_out(server, client, "v1")
    AppsV1Api(client).patch_namespaced_deployment("web", "default", {"spec": {"replicas": 1}})
    held = server.objects("deployments", "default")[0]
    assert (held["metadata"]["generation"], held["status"]["observedGeneration"]) == (2, 1)
    server.settle()
    assert server.objects("deployments", "default")[0]["status"]["replicas"] == 1


@pytest.mark.parametrize("image", ["bad/x", "crash/x", "unready/x"])
def test_a_rollout_that_gets_nowhere_exceeds_its_deadline(server: ApiServer, client: ApiClient, image: str) -> None:
    roll_out(server, client, "v1")
    stuck = roll_out(server, client, image, progressDeadlineSeconds=60)
    assert ("Progressing", "ReplicaSetUpdated") in conditions(stuck)
    assert "v1" in images(server)  # the old one serves on
    server.advance(seconds=61)
    held = server.objects("deployments", "default")[0]["status"]["conditions"]
    assert ("Progressing", "False", "ProgressDeadlineExceeded") in [
        (item["type"], item["status"], item["reason"]) for item in held
    ]
    mended = roll_out(server, client, "v2", progressDeadlineSeconds=60)
    assert ("Progressing", "NewReplicaSetAvailable") in conditions(mended)


def test_a_quota_shows_as_replica_failure(server: ApiServer, client: ApiClient) -> None:
    assert ("ReplicaFailure", "FailedCreate") in conditions(roll_out(server, client, "quota/x"))
    assert "ReplicaFailure" not in dict(conditions(roll_out(server, client, "v1")))


def test_no_replicas_are_complete_at_once(server: ApiServer, client: ApiClient) -> None:
    assert ("Progressing", "NewReplicaSetAvailable") in conditions(roll_out(server, client, "v1", replicas=0))


def test_recreate_ends_the_old_pods_first(server: ApiServer, client: ApiClient) -> None:
    body = deployment("web", image="v1", strategy={"type": "Recreate"})
    apps = AppsV1Api(client)
    apps.create_namespaced_deployment("default", body)
    server.settle()
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "v2"
    apps.patch_namespaced_deployment("web", "default", body)
    for _ in range(20):
        server.step()
        assert images(server) in ({"v1"}, set(), {"v2"})
    assert images(server) == {"v2"}


def test_a_deployment_takes_all_with_it(server: ApiServer, client: ApiClient) -> None:
    roll_out(server, client, "v1")
    AppsV1Api(client).delete_namespaced_deployment("web", "default", propagation_policy="Foreground")
    server.settle()
    assert server.objects("deployments") == server.objects("replicasets") == server.objects("pods") == []
