from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from pipelines.api.jobs import JobViewSet
from pipelines.api.kinds import DocumentSchemaView, KindListView
from pipelines.api.pipelines import PipelineViewSet

router = SimpleRouter()
router.register("pipelines", PipelineViewSet)
router.register("jobs", JobViewSet)

urlpatterns = [
    *router.urls,
    path("kinds/", KindListView.as_view(), name="kind-list"),
    path("kinds/schema/", DocumentSchemaView.as_view(), name="kind-schema"),
]
