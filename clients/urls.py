from __future__ import annotations

from django.urls import path

from clients.views import RevokeTokenView, TokenView

app_name = "clients"

urlpatterns = [
    path("token/", TokenView.as_view(), name="token"),
    path("revoke_token/", RevokeTokenView.as_view(), name="revoke_token"),
]
