from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runners.kubernetes.cluster import Cluster
from runners.kubernetes.exceptions import (
    AlreadyThere,
    BadRequest,
    Conflict,
    Gone,
    Invalid,
    NotFound,
    Unreachable,
)
from runners.kubernetes.pod_logs import Cursor
from tests.kubernetes_api import ApiServer, serving
from tests.kubernetes_api.manifests import deployment, job


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as started:
        yield started


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[Cluster]:
    with Cluster(server.connection()) as made:
        yield made


def running_pod(server: ApiServer, cluster: Cluster) -> dict[str, Any]:
    cluster.create_job("default", job("build", image="hang/x"))
    server.settle()
    return server.objects("pods", "default")[0]


def test_it_says_what_runs_there(cluster: Cluster) -> None:
    assert cluster.version()["gitVersion"] == "v1.36.0"


def test_objects_are_the_json_of_the_api(server: ApiServer, cluster: Cluster) -> None:
    created = cluster.create_job("default", job("build"))
    assert created == server.get("jobs", "default", "build")
    assert cluster.get_job("default", "build") == created


def test_a_list_is_read_in_pages_of_one_moment(server: ApiServer) -> None:
    with Cluster(server.connection(), page_size=2) as cluster:
        for number in range(5):
            cluster.create_job("default", job(f"build-{number}"))
        cluster.create_job("default", job("other", labels={"a": "other"}))
        before = cluster.requests
        listed = cluster.list_jobs("default", "a=b")
    assert [item["metadata"]["name"] for item in listed] == [f"build-{number}" for number in range(5)]
    assert cluster.requests - before == 3
    pages = [request.query for request in server.log if request.verb == "list"]
    assert [page["limit"] for page in pages] == ["2", "2", "2"]
    assert not any("resourceVersion" in page for page in pages)  # it would be allowed to lack what is new


def test_a_list_whose_rest_has_expired_starts_again(server: ApiServer) -> None:
    with Cluster(server.connection(), page_size=2) as cluster:
        for number in range(3):
            cluster.create_job("default", job(f"build-{number}"))
        server.fail(status=410, verb="list", times=1, after=True)
        assert len(cluster.list_jobs("default", "a=b")) == 3
        server.fail(status=410, verb="list")
        with pytest.raises(Gone):
            cluster.list_jobs("default", "a=b")


def test_events_are_those_about_one_object(server: ApiServer, cluster: Cluster) -> None:
    kept_out = cluster.create_job("default", job("full", image="quota/x"))
    cluster.create_job("default", job("full-too", image="quota/x"))
    server.settle()
    (event,) = cluster.list_events("default", about=kept_out["metadata"]["uid"])
    assert (event["reason"], event["involvedObject"]["name"]) == ("FailedCreate", "full")


def test_a_name_that_is_taken_is_its_own_error(cluster: Cluster) -> None:
    cluster.create_job("default", job("build"))
    with pytest.raises(AlreadyThere) as refusal:
        cluster.create_job("default", job("build"))
    assert (refusal.value.reason, refusal.value.status, refusal.value.what) == ("already_exists", 409, "jobs")


def test_a_missing_namespace_is_told_from_a_missing_job(cluster: Cluster) -> None:
    with pytest.raises(NotFound) as refusal:
        cluster.create_job("nowhere", job("build"))
    assert refusal.value.what == "namespaces"
    with pytest.raises(NotFound) as refusal:
        cluster.get_job("default", "build")
    assert refusal.value.what == "jobs"


def test_an_invalid_object_comes_back_with_its_causes(cluster: Cluster) -> None:
    with pytest.raises(Invalid) as refusal:
        cluster.create_job("default", job("build", labels={"a": "not a label"}))
    assert refusal.value.causes[0]["field"] == "metadata.labels"


def test_a_deletion_names_its_policy_and_the_very_object(server: ApiServer, cluster: Cluster) -> None:
    uid = running_pod(server, cluster)["metadata"]["ownerReferences"][0]["uid"]
    assert not cluster.delete_job("default", "build", "another-uid")
    assert "deletionTimestamp" not in cluster.get_job("default", "build")["metadata"]
    assert cluster.delete_job("default", "build", uid)
    assert server.log[-1].body == {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
    assert "deletionTimestamp" in cluster.get_job("default", "build")["metadata"]
    server.settle()
    assert not cluster.delete_job("default", "build", uid)
    assert server.objects("pods", "default") == []


def test_another_conflict_of_a_deletion_is_an_error(server: ApiServer, cluster: Cluster) -> None:
    uid = cluster.create_job("default", job("build"))["metadata"]["uid"]
    server.fail(status=409, verb="delete")
    with pytest.raises(Conflict):
        cluster.delete_job("default", "build", uid)


def test_apply_is_server_side_and_never_forces(server: ApiServer, cluster: Cluster) -> None:
    made = cluster.apply_deployment("default", deployment("web", image="v1"), manager="taskpipeline-x")
    again = cluster.apply_deployment("default", deployment("web", image="v1"), manager="taskpipeline-x")
    assert again == made
    request = server.log[-1]
    assert (request.verb, request.media_type) == ("patch", "application/apply-patch+yaml")
    assert request.query == {"fieldManager": "taskpipeline-x"}


def test_a_field_of_somebody_else_is_a_conflict_that_names_it(server: ApiServer, cluster: Cluster) -> None:
    cluster.apply_deployment("default", deployment("web", image="v1"), manager="taskpipeline")
    server.patch("deployments", "default", "web", {"spec": {"replicas": 5}}, manager="kubectl")
    with pytest.raises(Conflict) as refusal:
        cluster.apply_deployment("default", deployment("web", image="v2"), manager="taskpipeline")
    assert [cause["field"] for cause in refusal.value.causes] == [".spec.replicas"]
    assert 'conflict with "kubectl"' in refusal.value.message


def test_a_log_is_read_on_without_a_line_twice(server: ApiServer, cluster: Cluster) -> None:
    pod = running_pod(server, cluster)
    name = pod["metadata"]["name"]
    page = cluster.read_log("default", name, "main", cursor=Cursor(), limit_bytes=10_000)
    assert page.text == b"started\n"
    server.write_log(pod, "more\n")
    page = cluster.read_log("default", name, "main", cursor=page.cursor, limit_bytes=10_000)
    assert (page.text, page.more, page.gap) == (b"more\n", False, False)
    page = cluster.read_log("default", name, "main", cursor=page.cursor, limit_bytes=10_000)
    assert page.text == b""


def test_a_second_longer_than_the_limit_is_read_all_the_same(server: ApiServer, cluster: Cluster) -> None:
    pod = running_pod(server, cluster)
    server.write_log(pod, "".join(f"{number}\n" for number in range(2000)))
    text, cursor, more = b"", Cursor(), True
    while more:
        page = cluster.read_log("default", pod["metadata"]["name"], "main", cursor=cursor, limit_bytes=500)
        text, cursor, more = text + page.text, page.cursor, page.more
    assert text.decode().splitlines() == ["started", *map(str, range(2000))]


def test_a_container_that_has_not_started_has_said_nothing(server: ApiServer, cluster: Cluster) -> None:
    cluster.create_job("default", job("build", image="bad/x"))
    server.settle()
    name = server.objects("pods", "default")[0]["metadata"]["name"]
    assert cluster.pod_log("default", name, "main", limit_bytes=100) == b""
    with pytest.raises(BadRequest):
        cluster.pod_log("default", name, "missing", limit_bytes=100)


def test_a_log_that_breaks_off_is_no_answer(server: ApiServer, cluster: Cluster) -> None:
    pod = running_pod(server, cluster)
    server.fail(verb="get", resource="pods/log", cut=True, times=1)
    with pytest.raises(Unreachable):
        cluster.pod_log("default", pod["metadata"]["name"], "main", limit_bytes=100)
    assert cluster.pod_log("default", pod["metadata"]["name"], "main", limit_bytes=100) == b"started\n"
