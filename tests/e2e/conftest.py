from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Start a stack for the module, with the settings in its SETTINGS, and stop it afterwards."""
    settings = getattr(request.module, "SETTINGS", {})
    with Stack(tmp_path_factory.mktemp("stack") / "var", **settings) as started:
        yield started
