from __future__ import annotations

from django.urls import path

from benchmarks.bare.views import ThingsView, ThingView

urlpatterns = [path("things/", ThingsView.as_view()), path("things/<int:pk>/", ThingView.as_view())]
