from __future__ import annotations

import gc
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clients.registration import create_client
from taskpipeline.wsgi import application
from tests.api import document
from tests.clients.conftest import basic

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "pipelines/", b""),
        ("POST", "pipelines/", json.dumps(document()).encode()),
        ("POST", "pipelines/?dry_run=true", json.dumps(document()).encode()),
        ("GET", "kinds/", b""),
    ],
)
def test_nothing_of_a_request_is_left_to_the_garbage_collector(
    method: str, path: str, body: bytes, uncollected: None
) -> None:
    made = create_client("owner")
    authorization = basic(made.client_id, made.client_secret)["Authorization"]

    def ask() -> None:
        environ = RequestFactory().generic(
            method, f"/api/v1/{path}", body, content_type="application/json", HTTP_AUTHORIZATION=authorization
        ).environ  # fmt: skip
        environ["wsgi.input"] = io.BytesIO(body)
        answer: Any = application(environ, lambda *_: lambda _: None)
        b"".join(answer)
        answer.close()

    ask()  # the first one makes what stays
    before = left()
    ask()
    assert left() == before


def left() -> list[str]:
    kinds = (WSGIRequest, Request, Response, APIView)
    return sorted(type(each).__name__ for each in gc.get_objects() if issubclass(type(each), kinds))
