"""What a Kubernetes Job says of its attempt: the verdict comes from its conditions, the reason from its pods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runners.kubernetes.standing import Standing, Verdict


def judge_job(
    job: dict[str, Any], *, pods: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]], now: datetime
) -> Standing:
    """Return where the attempt of this Job stands."""
    raise NotImplementedError


def judge_timeout(
    job: dict[str, Any] | None,
    *,
    pods: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
    timeout: int,
    now: datetime,
) -> Verdict:
    """Return the verdict of an attempt whose timeout is over by our clock: timed out, with what it was waiting for."""
    raise NotImplementedError
