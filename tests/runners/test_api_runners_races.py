"""What staff change of a runner at the same moment."""

from __future__ import annotations

import pytest

from pipelines import clock
from runners import presence, registration
from tests.api import as_operator
from tests.concurrency import begin, held_elsewhere, result, wait_until_blocked
from tests.scenes import a_runner

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_change_undoes_no_pause_made_at_the_same_moment() -> None:
    api, runner = as_operator(), a_runner()
    with held_elsewhere(lambda: presence.pause(runner, note="new disk", now=clock.now())):
        # Its page was read before the pause, and it is written after it.
        change = begin(lambda: api.patch(f"runners/{runner.pk}/", {"capacity": 4}))
        wait_until_blocked(change)
    shown = result(change).json()
    assert (shown["capacity"], shown["paused"], shown["pause_note"]) == (4, True, "new disk")


def test_a_change_brings_no_old_token_back() -> None:
    api, runner = as_operator(), a_runner()
    with held_elsewhere(lambda: registration.rotate_token(runner)):
        change = begin(lambda: api.patch(f"runners/{runner.pk}/", {"kinds": ["Shell"]}))
        wait_until_blocked(change)
    assert result(change).status_code == 200
    digest = runner.token_digest
    runner.refresh_from_db()
    assert (runner.kinds, runner.token_digest) == (["Shell"], digest)
