from __future__ import annotations

from django.dispatch import Signal

# Sent after commit when an operator changed what the next claim depends on: `client`, a Client.
limits_changed = Signal()
