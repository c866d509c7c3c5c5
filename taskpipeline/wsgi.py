from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from taskpipeline.api.wire import mended

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")

application = mended(get_wsgi_application())
