from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from taskpipeline import health
from taskpipeline.api.root import RootView
from taskpipeline.metrics import metrics

admin.autodiscover()

api: list[URLPattern | URLResolver] = [
    path("", RootView.as_view(), name="root"),
    path("", include("pipelines.api.urls")),
    path("", include("runners.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="root")),
    path("api/v1/", include(api)),
    path("api-auth/", include("rest_framework.urls")),
    path("oauth/", include("clients.urls")),
    path("admin/", admin.site.urls),
    path("healthz/", health.healthz, name="healthz"),
    path("readyz/", health.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "taskpipeline.api.problems.bad_request"
handler403 = "taskpipeline.api.problems.forbidden"
handler404 = "taskpipeline.api.problems.not_found"
handler500 = "taskpipeline.api.problems.server_error"
