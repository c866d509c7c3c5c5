from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from runners.api.attempts import AttemptListView, LogView
from runners.api.reports import ReportsView, ReportView
from runners.api.runners import RunnerViewSet
from runners.api.secrets import SecretListView, SecretView
from runners.api.usage import MeView, QueueView

router = SimpleRouter()
router.register("runners", RunnerViewSet)

urlpatterns = [
    *router.urls,
    path("jobs/<int:pk>/attempts/", AttemptListView.as_view(), name="job-attempts"),
    path("jobs/<int:pk>/log/", LogView.as_view(), name="job-log"),
    path("jobs/<int:pk>/report/", ReportView.as_view(), name="job-report"),
    path("reports/", ReportsView.as_view(), name="reports"),
    path("queue/", QueueView.as_view(), name="queue"),
    path("me/", MeView.as_view(), name="me"),
    path("me/secrets/", SecretListView.as_view(), name="secret-list"),
    path("me/secrets/<str:name>/", SecretView.as_view(), name="secret-detail"),
]
