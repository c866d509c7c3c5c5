from __future__ import annotations

import pytest

from tests.recorder import told as told

pytest.register_assert_rewrite("tests.lifecycle.ground", "tests.lifecycle.standing")
