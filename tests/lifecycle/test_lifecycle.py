"""The service against the model of its rules, over thousands of steps: whatever happens, every row is as foretold."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.lifecycle.machine import Lifecycle

# By hand, for as long as you like, each time others: LIFECYCLE_EXAMPLES=2000 make test ARGS="tests/lifecycle"
EXAMPLES = int(os.environ.get("LIFECYCLE_EXAMPLES", "0"))
# Who only asks whether it fails (tests.breaks) need not know the shortest way there.
SHRINKS = os.environ.get("LIFECYCLE_SHRINKS", "1") != "0"


@pytest.mark.django_db
def test_every_row_is_as_the_model_says_after_every_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)  # each of many leases that go over is told
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=EXAMPLES or 60,
            stateful_step_count=50,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if SHRINKS else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
