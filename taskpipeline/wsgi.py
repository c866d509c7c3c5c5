from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from taskpipeline.api.wire import mended

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskpipeline.settings")

application = mended(get_wsgi_application())
# What is read at the first request, the first query and the first message: before the workers are forked, it is read
# once and kept once.
for _module in (
    settings.ROOT_URLCONF,
    "clients.provider",
    "django.contrib.messages.storage.fallback",
    "psycopg_pool",
    "celery.app.amqp",
    "celery.backends.base",
    "celery.events",
    "celery.contrib.django.task",
    "kombu.transport.redis",
):
    import_module(_module)
