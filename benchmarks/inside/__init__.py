"""Programs within the service: Django is set up, on the database named by the environment, no HTTP between.

`benchmarks.insider` starts them and asks them, one line of JSON a question.
"""

from __future__ import annotations

import os

import django

from taskpipeline.garbage import tell_collector

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")
django.setup()
tell_collector()  # as the service's own processes do before they begin
