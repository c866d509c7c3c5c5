"""The test server keeps the API's rules, seen through the official client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes.client import ApiClient, ApiException, AppsV1Api, BatchV1Api, CoreV1Api

from tests.kubernetes_api import ApiServer
from tests.kubernetes_api.controllers.rollouts import REVISION
from tests.kubernetes_api.manifests import deployment, job
from tests.kubernetes_api.resources import Object

APPLY = "application/apply-patch+yaml"


def refusal(error: pytest.ExceptionInfo[ApiException]) -> tuple[int, str]:
    status = json.loads(error.value.body)
    assert (status["kind"], status["apiVersion"], status["code"]) == ("Status", "v1", error.value.status)
    return status["code"], status["reason"]


def apply(client: ApiClient, body: Object, *, manager: str, **options: Any) -> Any:
    apps = AppsV1Api(client)
    name = body["metadata"]["name"]
    return apps.patch_namespaced_deployment(
        name, "default", body, field_manager=manager, _content_type=APPLY, **options
    )


def test_the_client_reads_what_it_created(client: ApiClient) -> None:
    made = BatchV1Api(client).create_namespaced_job("default", job("build"))
    read = BatchV1Api(client).read_namespaced_job("build", "default")
    assert read == made
    assert read.metadata.uid
    assert read.metadata.generation == 1
    assert read.spec.completions == read.spec.parallelism == 1
    assert read.spec.template.spec.dns_policy == "ClusterFirst"
    assert read.status.conditions is None


def test_a_list_in_a_namespace_that_is_missing_is_empty_but_nothing_is_created_there(client: ApiClient) -> None:
    assert BatchV1Api(client).list_namespaced_job("nowhere").items == []
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).create_namespaced_job("nowhere", job("build"))
    assert refusal(error) == (404, "NotFound")
    assert json.loads(error.value.body)["details"] == {"name": "nowhere", "kind": "namespaces"}


def test_a_namespace_that_goes_takes_nothing_new(server: ApiServer, client: ApiClient) -> None:
    server.create_namespace("old")
    BatchV1Api(client).create_namespaced_job("old", job("build", image="hang/x"))
    CoreV1Api(client).delete_namespace("old")
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).create_namespaced_job("old", job("late"))
    assert refusal(error) == (403, "Forbidden")
    server.settle()
    assert server.objects("pods", "old") == []
    assert server.get("namespaces", "", "old") is None


def test_a_name_is_taken_once(client: ApiClient) -> None:
    BatchV1Api(client).create_namespaced_job("default", job("build"))
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).create_namespaced_job("default", job("build"))
    assert refusal(error) == (409, "AlreadyExists")


def test_a_field_that_is_unknown_or_of_a_wrong_type_is_a_violation(server: ApiServer, client: ApiClient) -> None:
    for mistake in ({"backofLimit": 0}, {"backoffLimit": "0"}):
        with pytest.raises(ApiException) as error:
            BatchV1Api(client).create_namespaced_job("default", job("build") | {"spec": job("build")["spec"] | mistake})
        assert refusal(error) == (400, "BadRequest")
    assert len(server.violations) == 2
    server.violations.clear()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (job("Build"), "metadata.name"),
        (job("b" * 64), "metadata.name"),
        (job("build", labels={"a": "x" * 64}), "metadata.labels"),
        (job("build", image=""), "spec.template.spec.containers[0].image"),
        (job("build", backoffLimit=-1), "spec.backoffLimit"),
    ],
)
def test_what_breaks_a_rule_is_422_and_names_the_field(client: ApiClient, body: Object, field: str) -> None:
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).create_namespaced_job("default", body)
    assert refusal(error) == (422, "Invalid")
    assert field in [cause["field"] for cause in json.loads(error.value.body)["details"]["causes"]]


def test_a_jobs_template_and_a_deployments_selector_are_immutable(client: ApiClient) -> None:
    BatchV1Api(client).create_namespaced_job("default", job("build"))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}}
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).patch_namespaced_job("build", "default", patch)
    assert refusal(error) == (422, "Invalid")
    apply(client, deployment("web", image="v1"), manager="t")
    other = deployment("web", image="v1")
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(ApiException) as error:
        apply(client, other, manager="t")
    assert refusal(error) == (422, "Invalid")


def test_an_old_version_is_not_written_over(client: ApiClient) -> None:
    apps = AppsV1Api(client)
    old = apps.create_namespaced_deployment("default", deployment("web", image="v1"))
    apps.patch_namespaced_deployment("web", "default", {"metadata": {"labels": {"c": "d"}}})
    old.spec.replicas = 1
    with pytest.raises(ApiException) as error:
        apps.replace_namespaced_deployment("web", "default", old)
    assert refusal(error) == (409, "Conflict")


def test_only_the_spec_moves_the_generation_and_only_changes_the_version(client: ApiClient) -> None:
    apps = AppsV1Api(client)
    first = apps.create_namespaced_deployment("default", deployment("web", image="v1"))
    labelled = apps.patch_namespaced_deployment("web", "default", {"metadata": {"labels": {"c": "d"}}})
    scaled = apps.patch_namespaced_deployment("web", "default", {"spec": {"replicas": 5}})
    same = apps.patch_namespaced_deployment("web", "default", {"spec": {"replicas": 5}})
    assert [item.metadata.generation for item in (first, labelled, scaled, same)] == [1, 1, 2, 2]
    versions = [int(item.metadata.resource_version) for item in (first, labelled, scaled, same)]
    assert versions[0] < versions[1] < versions[2] == versions[3]


def test_the_status_is_written_only_as_such(client: ApiClient) -> None:
    apps = AppsV1Api(client)
    apps.create_namespaced_deployment("default", deployment("web", image="v1") | {"status": {"replicas": 7}})
    patched = apps.patch_namespaced_deployment("web", "default", {"status": {"replicas": 7}})
    assert patched.status.replicas is None
    body = {"status": {"replicas": 7}, "spec": {"replicas": 1}}
    patched = apps.patch_namespaced_deployment_status("web", "default", body)
    assert (patched.status.replicas, patched.spec.replicas, patched.metadata.generation) == (7, 3, 1)


def test_a_continued_list_stays_at_the_moment_of_its_first_page(server: ApiServer, client: ApiClient) -> None:
    batch = BatchV1Api(client)
    for name in ("a", "b", "c"):
        batch.create_namespaced_job("default", job(name))
    page = batch.list_namespaced_job("default", limit=2)
    assert page.metadata.remaining_item_count == 1
    batch.create_namespaced_job("default", job("aa"))
    batch.delete_namespaced_job("c", "default", propagation_policy="Background")
    rest = batch.list_namespaced_job("default", limit=2, _continue=page.metadata._continue)
    assert [item.metadata.name for item in page.items + rest.items] == ["a", "b", "c"]
    assert rest.metadata._continue is None
    assert rest.metadata.resource_version == page.metadata.resource_version
    server.expire_continues()
    with pytest.raises(ApiException) as error:
        batch.list_namespaced_job("default", limit=2, _continue=page.metadata._continue)
    assert refusal(error) == (410, "Expired")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("a=b", ["one", "two"]),
        ("a==b,n=1", ["one"]),
        ("a!=b", ["three"]),
        ("a in (b, c),n notin (1)", ["three", "two"]),
        ("n", ["one", "two"]),
        ("!n", ["three"]),
    ],
)
def test_lists_are_selected_by_labels(client: ApiClient, selector: str, names: list[str]) -> None:
    batch = BatchV1Api(client)
    for name, labels in (("one", {"a": "b", "n": "1"}), ("two", {"a": "b", "n": "2"}), ("three", {"a": "c"})):
        batch.create_namespaced_job("default", job(name, labels=labels))
    listed = batch.list_namespaced_job("default", label_selector=selector)
    assert [item.metadata.name for item in listed.items] == sorted(names)


def test_a_selector_that_cannot_be_read_is_400(client: ApiClient) -> None:
    for options in ({"label_selector": "a b"}, {"field_selector": "spec.nothing=1"}):
        with pytest.raises(ApiException) as error:
            BatchV1Api(client).list_namespaced_job("default", **options)
        assert refusal(error) == (400, "BadRequest")


def test_apply_creates_then_finds_nothing_to_change(client: ApiClient) -> None:
    made = apply(client, deployment("web", image="v1"), manager="t")
    again = apply(client, deployment("web", image="v1"), manager="t")
    assert again.metadata.resource_version == made.metadata.resource_version
    (entry,) = again.metadata.managed_fields
    assert (entry.manager, entry.operation) == ("t", "Apply")
    assert entry.fields_v1["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"main"}']["f:image"] == {}


def test_an_annotation_is_a_new_generation_of_a_deployment_but_not_its_controllers(
    server: ApiServer, client: ApiClient
) -> None:
    apply(client, deployment("web", image="v1"), manager="t")
    server.settle()
    made: Any = server.get("deployments", "default", "web")
    assert (made["metadata"]["generation"], made["metadata"]["annotations"]) == (1, {REVISION: "1"})
    noted = server.patch("deployments", "default", "web", {"metadata": {"annotations": {"a/b": "c"}}})
    assert noted["metadata"]["generation"] == 2
    labelled = server.patch("deployments", "default", "web", {"metadata": {"labels": {"a/b": "c"}}})
    assert labelled["metadata"]["generation"] == 2


def test_apply_needs_a_manager(client: ApiClient) -> None:
    with pytest.raises(ApiException) as error:
        apply(client, deployment("web", image="v1"), manager="")
    assert refusal(error) == (400, "BadRequest")


def test_apply_takes_back_what_it_no_longer_says_and_leaves_what_is_anothers(client: ApiClient) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    body = deployment("web", image="v1")
    body["spec"]["template"]["spec"]["containers"][0]["env"] = env
    body["metadata"]["labels"]["mine"] = "yes"
    apply(client, body, manager="t")
    AppsV1Api(client).patch_namespaced_deployment("web", "default", {"metadata": {"labels": {"theirs": "yes"}}})
    body["spec"]["template"]["spec"]["containers"][0]["env"] = env[:1]
    del body["metadata"]["labels"]["mine"]
    after = apply(client, body, manager="t")
    assert after.metadata.labels == {"a": "b", "theirs": "yes"}
    assert [item.name for item in after.spec.template.spec.containers[0].env] == ["A"]
    assert after.metadata.generation == 2


def test_apply_does_not_take_what_another_manager_owns_unless_by_force(client: ApiClient) -> None:
    apply(client, deployment("web", image="v1"), manager="t")
    apply(client, deployment("web", image="v1"), manager="u")  # the same values are owned together
    with pytest.raises(ApiException) as error:
        apply(client, deployment("web", image="v2"), manager="u")
    assert refusal(error) == (409, "Conflict")
    (cause,) = json.loads(error.value.body)["details"]["causes"]
    assert cause["reason"] == "FieldManagerConflict"
    assert cause["field"] == '.spec.template.spec.containers[name="main"].image'
    forced = apply(client, deployment("web", image="v2"), manager="u", force=True)
    assert forced.spec.template.spec.containers[0].image == "v2"


@pytest.mark.parametrize(("policy", "pods"), [("Foreground", 0), ("Background", 0), ("Orphan", 1), (None, 1)])
def test_a_job_goes_as_its_deletion_says(server: ApiServer, client: ApiClient, policy: str | None, pods: int) -> None:
    """Without a policy the pods of a Job are left behind: that is its default."""
    batch = BatchV1Api(client)
    batch.create_namespaced_job("default", job("build", image="hang/x"))
    server.settle()
    batch.delete_namespaced_job("build", "default", **({"propagation_policy": policy} if policy else {}))
    left = server.get("jobs", "default", "build")
    if policy == "Foreground":
        assert left
        assert left["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert left["metadata"]["deletionTimestamp"]
    server.settle()
    assert server.get("jobs", "default", "build") is None
    assert len(server.objects("pods", "default")) == pods


def test_a_deletion_meant_for_another_object_is_409(client: ApiClient) -> None:
    BatchV1Api(client).create_namespaced_job("default", job("build"))
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).delete_namespaced_job("build", "default", body={"preconditions": {"uid": "another"}})
    assert refusal(error) == (409, "Conflict")


def test_faults_come_as_often_as_they_were_asked_for(server: ApiServer, client: ApiClient) -> None:
    server.fail(status=429, retry_after=3, times=1)
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).list_namespaced_job("default")
    assert refusal(error) == (429, "TooManyRequests")
    assert error.value.headers["Retry-After"] == "3"
    assert BatchV1Api(client).list_namespaced_job("default").items == []
    assert [request.status for request in server.log] == [429, 200]
    assert server.count(verb="list", resource="jobs") == 2


def test_what_is_not_served_is_404(client: ApiClient) -> None:
    with pytest.raises(ApiException) as error:
        CoreV1Api(client).list_namespaced_secret("default")
    assert refusal(error) == (404, "NotFound")
