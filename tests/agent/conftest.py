from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.runner import Runner, make_config, running
from tests.agent.service import Service, serving
from tests.agent.started import Stack, celery_url


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def runner(service: Service, tmp_path: Path) -> Iterator[Runner]:
    with running(make_config(tmp_path, service=service)) as runner:
        yield runner


@pytest.fixture
def stack(service: Service, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(service=service, var_dir=tmp_path / "var with spaces", broker_url=celery_url(os.environ["REDIS_URL"]))
    try:
        yield stack
    finally:
        stack.close()
