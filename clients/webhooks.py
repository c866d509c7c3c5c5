from __future__ import annotations

import base64
import secrets

from clients.sealing import seal

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_webhook_secret() -> str:
    """Make a signing secret in the form of the Standard Webhooks specification."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def new_sealed_webhook_secret() -> str:
    """Make a signing secret, encrypted as it is stored."""
    return seal(new_webhook_secret())
