"""Views that ask for what the real ones ask for, and say who came in."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from clients.authentication import BearerAuthentication, ClientBasicAuthentication
from clients.models import Client
from clients.permissions import IsClientOrStaff, IsStaff
from clients.principals import submitting_client

AUTHENTICATION = [BearerAuthentication, ClientBasicAuthentication, SessionAuthentication]


class WhoView(APIView):
    authentication_classes = AUTHENTICATION
    permission_classes = [IsClientOrStaff]

    def get(self, request: Request) -> Response:
        return Response({"who": request.user.get_username(), "by_token": request.auth is not None})

    def post(self, request: Request) -> Response:
        return Response({"for": submitting_client(request).client_id})


class StaffView(WhoView):
    permission_classes = [IsStaff]


class ThingSerializer(ModelSerializer[Client]):
    class Meta:
        model = Client
        fields = ["name"]


class ThingViewSet(ModelViewSet[Client]):
    """A view of a model; the clients' own will do for it."""

    authentication_classes = AUTHENTICATION
    permission_classes = [IsClientOrStaff]
    queryset = Client.objects.order_by("id")
    serializer_class = ThingSerializer

    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        return Response(status=202)


router = SimpleRouter()
router.register("things", ThingViewSet)

urlpatterns = [
    path("oauth/", include("clients.urls")),
    path("admin/", admin.site.urls),
    path("who/", WhoView.as_view()),
    path("staff/", StaffView.as_view()),
    *router.urls,
]
