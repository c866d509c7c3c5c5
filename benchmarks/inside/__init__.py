"""Programs within the service: Django is set up, on the database named by the environment, no HTTP between.

`benchmarks.insider` starts them and asks them, one line of JSON a question.
"""

from __future__ import annotations

import gc
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")
django.setup()
# As the service's own processes do before they begin.
gc.collect()
gc.freeze()
