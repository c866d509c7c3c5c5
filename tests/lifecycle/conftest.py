from __future__ import annotations

import pytest

from runners import proposing
from tests.recorder import told as told

pytest.register_assert_rewrite("tests.lifecycle.ground", "tests.lifecycle.standing")


@pytest.fixture(autouse=True)
def shallow_front(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have claims from a few jobs go the ways of claims from very many."""
    monkeypatch.setattr(proposing, "DEPTH", 1)
    monkeypatch.setattr(proposing, "LEAST_DEPTH", 1)
