from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.models import Client
from tests.kubernetes_api import ApiServer, serving
from tests.scenes import a_client


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as started:
        yield started


@pytest.fixture
def client(db: None) -> Client:
    return a_client()
