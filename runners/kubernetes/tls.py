"""TLS towards a cluster: always verified, certificates and keys never left on a disk."""

from __future__ import annotations

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from runners.kubernetes.connection import Connection
from runners.kubernetes.exceptions import InvalidConnection


def context_of(connection: Connection) -> ssl.SSLContext:
    """What verifies the server against the connection's authority and shows our certificate, if there is one."""
    try:
        context = ssl.create_default_context(cadata=connection.current_ca())
        # Python 3.13 turns this on; the authorities of many clusters lack the extensions it asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if connection.client_certificate and connection.client_key:
            with TemporaryDirectory(prefix="taskpipeline-") as directory:  # private by its mode
                certificate, key = Path(directory, "tls.crt"), Path(directory, "tls.key")
                certificate.write_text(connection.client_certificate)
                key.write_text(connection.client_key)
                context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise InvalidConnection(f"The runner's certificates cannot be used: {error.reason}.") from error
    return context
