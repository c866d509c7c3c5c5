from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.runner import Runner, make_config, running
from tests.agent.service import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def runner(service: Service, tmp_path: Path) -> Iterator[Runner]:
    with running(make_config(tmp_path, service=service)) as runner:
        yield runner
