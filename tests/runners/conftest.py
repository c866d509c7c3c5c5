from __future__ import annotations

from tests.recorder import told as told
