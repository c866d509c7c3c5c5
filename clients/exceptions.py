from __future__ import annotations


class ClientError(Exception):
    """Something about a client is not as it must be."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])


class UnsealError(ClientError):
    """A stored secret cannot be read: SECRET_KEY changed and the old one is not in SECRET_KEY_FALLBACKS."""


class UnknownRunnerError(ClientError):
    """A client was to be given a runner that does not exist."""
