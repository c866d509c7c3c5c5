"""How long the service lets us hold an attempt, by our own monotonic clock."""

from __future__ import annotations

_MARGIN_SECONDS = 2.0  # for a KILL to do its work before the lease ends
_MARGIN_SHARE = 0.1
_GRACE_SHARE = 0.25
_HEARTBEATS = 4  # a lease, whatever the heartbeat configured


class Lease:
    """The lease of one attempt; a duration that counts from when the request that won it was sent."""

    def __init__(self, seconds: float, *, now: float) -> None:
        self.seconds = seconds
        self.ends_at = now + seconds
        self._margin = min(_MARGIN_SECONDS, seconds * _MARGIN_SHARE)

    def renew(self, seconds: float, *, sent_at: float) -> None:
        """Take what a reply gave; it may be less than before, once a stop was asked."""
        self.ends_at = sent_at + seconds

    @property
    def kill_at(self) -> float:
        """When the work must be killed for want of a renewal, so that it is dead when another attempt may begin."""
        return self.ends_at - self._margin

    def stop_at(self, *, grace_seconds: float) -> float:
        """When the work is asked to end for want of a renewal."""
        return self.kill_at - min(grace_seconds, self.seconds * _GRACE_SHARE)

    def heartbeat(self, *, wanted_seconds: float) -> float:
        """Return the interval at which to renew."""
        return min(wanted_seconds, self.seconds / _HEARTBEATS)
