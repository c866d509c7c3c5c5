"""What can be wrong about a runner; the API maps these to HTTP in one place."""

from __future__ import annotations


class RunnerError(Exception):
    """Something about a runner is not as it must be."""


class InvalidRunner(RunnerError):
    """The values given for a runner are refused; the message names each."""


class RunnerBusy(RunnerError):
    """The runner has live attempts."""
