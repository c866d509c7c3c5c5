"""The short form of `make chaos`: a few faults, in an order that is always the same."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.run import run

SEED = 8
SHORT = (
    "cut connections",
    "flush redis",
    "freeze runner",
    "kill control",
    "kill other runner",
    "replay reports",
    "restart postgres immediately",
)


def test_nothing_is_lost_run_twice_or_over_its_limit_whatever_fails(tmp_path: Path) -> None:
    said: list[str] = []
    found = run(tmp_path / "var", seed=SEED, length=len(SHORT), faults=SHORT, say=said.append)
    assert not found, "\n".join([*said, *found])
