"""What goes wrong on the way: refusals, silence, slowness, answers that are lost or cut."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.status import ApiError

_REASONS = {401: "Unauthorized", 403: "Forbidden", 409: "Conflict", 410: "Expired", 429: "TooManyRequests"}


class Dropped(Exception):
    """The connection ends without an answer."""


class Page(Exception):
    """Something in between answers, with a page that is no Status object."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Fault:
    """One thing that goes wrong, for the requests that it fits; `times` None is until healed."""

    status: int = 0
    verb: str = ""
    resource: str = ""
    times: int | None = None
    after: bool = False
    retry_after: int | None = None
    slow_seconds: float = 0
    drop: bool = False
    cut: bool = False
    page: bool = False
    reason: str = ""
    message: str = ""

    def fits(self, request: Request, *, after: bool) -> bool:
        if after != self.after or self.times == 0:
            return False
        return self.verb in ("", request.verb) and self.resource in ("", request.plural)

    def error(self) -> ApiError:
        reason = self.reason or _REASONS.get(self.status, "InternalError")
        message = self.message or f"a fault of the test: {self.status}"
        return ApiError(self.status, reason, message, retry_after=self.retry_after)


@dataclass
class Faults:
    held: list[Fault] = field(default_factory=list)
    healed: threading.Event = field(default_factory=threading.Event)

    def add(self, fault: Fault) -> None:
        self.healed.clear()
        self.held.append(fault)

    def heal(self) -> None:
        """Nothing goes wrong any more; who was kept waiting is answered at once."""
        self.held.clear()
        self.healed.set()

    def strike(self, request: Request, *, after: bool) -> Fault | None:
        """Let the first fault that fits happen. Raises ApiError, Page or Dropped; returns one that cuts the answer."""
        fault = next((fault for fault in self.held if fault.fits(request, after=after)), None)
        if fault is None:
            return None
        if fault.times is not None:
            fault.times -= 1
        if fault.slow_seconds:
            self.healed.wait(fault.slow_seconds)
        if fault.drop:
            raise Dropped
        if fault.page:
            raise Page(fault.status)
        if fault.status:
            raise fault.error()
        return fault if fault.cut else None
