from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes.client import ApiClient, Configuration

from tests.kubernetes_api import ApiServer, serving
from tests.kubernetes_api.access import ADMIN_TOKEN


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as started:
        yield started


@pytest.fixture
def client(server: ApiServer) -> Iterator[ApiClient]:
    """The official client as anybody uses it."""
    configuration = Configuration()
    configuration.host = server.url
    configuration.api_key["BearerToken"] = f"Bearer {ADMIN_TOKEN}"
    configuration.retries = False
    with ApiClient(configuration) as made:
        yield made
        made.rest_client.pool_manager.clear()
