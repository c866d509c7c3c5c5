"""What can be wrong with a request, as seen by the domain; the API maps these to HTTP in one place."""

from __future__ import annotations


class PipelineError(Exception):
    """Something about a pipeline or job is not as it must be."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])


class InvalidTransition(PipelineError):
    """The row is not in a state from which that move is allowed."""

    def __init__(self, *, subject: str, state: str, wanted: str) -> None:
        super().__init__(f"The {subject} is {state}: {wanted}.")


class LimitReached(PipelineError):
    """A submission is refused for now: too many jobs wait already.

    `scope` is `client` or `service`; `retry_after_seconds` follows from how fast the backlog drains.
    """

    def __init__(self, *, scope: str, limit: int, in_use: int, requested: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"{in_use} of at most {limit} jobs of the {scope} wait already and {requested} more were asked for; "
            f"try again in {retry_after_seconds} seconds."
        )
        self.scope = scope
        self.limit = limit
        self.in_use = in_use
        self.requested = requested
        self.retry_after_seconds = retry_after_seconds


class NeverFits(PipelineError):
    """A submission holds more jobs than its limit ever allows."""

    def __init__(self, *, scope: str, limit: int, requested: int) -> None:
        super().__init__(
            f"{requested} jobs can never fit the {scope}'s limit of {limit} waiting jobs; "
            "split the pipeline or have the limit raised."
        )
        self.scope = scope
        self.limit = limit
        self.requested = requested


class PipelineFull(NeverFits):
    """A pipeline holds as many jobs as one may."""

    def __init__(self, *, limit: int, requested: int) -> None:
        PipelineError.__init__(
            self,
            f"A pipeline holds at most {limit} jobs, and this would be its {requested}th; submit another pipeline.",
        )
        self.scope = "pipeline"
        self.limit = limit
        self.requested = requested


class KeyReused(PipelineError):
    """The Idempotency-Key was used before with another request; use a new key for a new request."""


class KeyInUse(PipelineError):
    """The first request with this Idempotency-Key is still running; repeat the request a little later."""


class NameTaken(PipelineError):
    """The pipeline has a job of that name already."""


class InvalidKey(PipelineError):
    """An Idempotency-Key is 1 to 255 printable ASCII characters."""


class UnknownStage(PipelineError):
    """The pipeline has no stage of that name."""
