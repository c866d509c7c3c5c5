from __future__ import annotations


class ClientError(Exception):
    """Something about a client is not as it must be."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])


class UnsealError(ClientError):
    """A stored secret cannot be read: SECRET_KEY changed and the old one is not in SECRET_KEY_FALLBACKS."""


class UnknownRunnerError(ClientError):
    """A client was to be given a runner that does not exist."""


class InvalidSecret(ClientError):
    """A secret's name or value is not as it must be; `field` says which of the two."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooManySecrets(ClientError):
    """A client holds as many secrets as it may; delete one that is not used any more."""
