"""The test server lets nobody do what no Role says, seen through the official client."""

from __future__ import annotations

import json

import pytest
from kubernetes.client import ApiClient, ApiException, BatchV1Api, CoreV1Api

from tests.kubernetes_api import ApiServer
from tests.kubernetes_api.manifests import deployment, job
from tests.kubernetes_api.test_protocol import apply, refusal


def test_an_unknown_token_is_401_and_a_right_that_is_missing_403(server: ApiServer, client: ApiClient) -> None:
    server.add_token("reader", rules=[{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}])
    client.configuration.api_key["BearerToken"] = "Bearer reader"
    assert BatchV1Api(client).list_namespaced_job("default").items == []
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).create_namespaced_job("default", job("build"))
    assert refusal(error) == (403, "Forbidden")
    assert (
        'cannot create resource "jobs" in API group "batch" in the namespace "default"'
        in json.loads(error.value.body)["message"]
    )
    client.configuration.api_key["BearerToken"] = "Bearer nobody"
    with pytest.raises(ApiException) as error:
        BatchV1Api(client).list_namespaced_job("default")
    assert refusal(error) == (401, "Unauthorized")


def test_rights_end_at_the_namespace(server: ApiServer, client: ApiClient) -> None:
    server.add_token(
        "t", rules=[{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["list"]}], namespaces=["a"]
    )
    client.configuration.api_key["BearerToken"] = "Bearer t"
    assert CoreV1Api(client).list_namespaced_pod("a").items == []
    for forbidden in (
        CoreV1Api(client).list_pod_for_all_namespaces,
        lambda: CoreV1Api(client).list_namespaced_pod("b"),
    ):
        with pytest.raises(ApiException) as error:
            forbidden()
        assert refusal(error) == (403, "Forbidden")


def test_an_apply_that_creates_takes_the_right_to_create_as_well(server: ApiServer, client: ApiClient) -> None:
    may_patch = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}]
    server.add_token("patcher", rules=may_patch)
    admin = client.configuration.api_key["BearerToken"]
    client.configuration.api_key["BearerToken"] = "Bearer patcher"
    with pytest.raises(ApiException) as error:
        apply(client, deployment("web", image="v1"), manager="t")
    assert refusal(error) == (403, "Forbidden")
    assert 'cannot create resource "deployments" in API group "apps"' in json.loads(error.value.body)["message"]
    assert server.get("deployments", "default", "web") is None
    client.configuration.api_key["BearerToken"] = admin
    apply(client, deployment("web", image="v1"), manager="t")
    client.configuration.api_key["BearerToken"] = "Bearer patcher"
    assert apply(client, deployment("web", image="v2"), manager="t").metadata.generation == 2
