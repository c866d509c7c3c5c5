"""The connection that is kept of a runner's cluster."""

from __future__ import annotations

from clients.exceptions import UnsealError
from runners.kubernetes.connection import Connection
from runners.kubernetes.exceptions import CredentialsUnreadable, InvalidConnection
from runners.models import Cluster


def kept_connection(cluster: Cluster) -> Connection:
    """Return the connection, in clear; raise CredentialsUnreadable."""
    try:
        return Connection.from_json(cluster.connection)
    except UnsealError as error:
        raise CredentialsUnreadable(
            f"{error} Put the old key there and restart, or give the runner its server, token and ca anew."
        ) from error
    except InvalidConnection as error:
        raise CredentialsUnreadable(f"What is kept is not taken any more: {error}") from error
