from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from taskpipeline.api.wire import mended

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")

application = mended(get_wsgi_application())
# Django reads the pages at the first request: before the workers are forked, they are read and kept once.
import_module(settings.ROOT_URLCONF)
