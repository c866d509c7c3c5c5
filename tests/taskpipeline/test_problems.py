from __future__ import annotations

import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse

from clients.registration import create_client
from pipelines import editing, submitting
from pipelines.api.kinds import KindListView
from runners.models import Sweep
from taskpipeline.api.wire import mended
from tests.api import PROBLEM, Api, as_client, as_operator, document, mistakes, problem, shell
from tests.scenes import a_pipeline

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(db: None) -> Api:
    return as_client(create_client("owner"))


@pytest.mark.parametrize(
    "path", ["/nowhere/", "nowhere/", "pipelines/x/", "pipelines/%00/", "pipelines/%ff/", "jobs/1/nap/"]
)
def test_an_address_that_leads_nowhere_is_404(path: str, api: Api) -> None:
    assert problem(api.get(path), 404)["title"] == "Not Found"


@pytest.mark.parametrize("pk", ["99999999999999999999", "999999999999999999", "-1", "1.0", "9" * 5000, "٣", "%d9%a3"])
@pytest.mark.parametrize(
    "path", ["pipelines/{}/", "pipelines/{}/events/", "jobs/{}/", "jobs/{}/log/", "jobs/{}/attempts/"]
)
def test_an_id_that_cannot_be_is_404(path: str, pk: str, api: Api) -> None:
    problem(api.get(path.format(pk)), 404)


def test_a_method_that_is_not_served_is_405(api: Api) -> None:
    answer = api.ask("PUT", "pipelines/", document())
    problem(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["pipelines/", "schema/", "reports/"])
def test_a_type_that_is_not_made_is_406(path: str, api: Api) -> None:
    problem(api.ask("POST" if path == "reports/" else "GET", path, Accept="image/png"), 406)


def test_a_host_that_is_not_ours_is_400(api: Api) -> None:
    problem(api.get("pipelines/", Host="evil.example"), 400)
    problem(Api().get("/healthz/", Host="evil.example"), 400)


def test_another_host_s_page_cannot_write(db: None) -> None:
    operator = as_operator()
    operator._browser.handler.enforce_csrf_checks = True
    assert "CSRF" in problem(operator.post("runners/", {"name": "x"}), 403)["detail"]


def test_an_error_is_a_page_for_who_asks_for_pages(api: Api) -> None:
    for answer in (api.get("pipelines/7/", Accept="text/html"), api.post("jobs/", b"", Accept="text/html")):
        assert answer.status_code in (400, 404)
        assert answer.headers["Content-Type"].startswith("text/html")


def test_what_nobody_foresaw_is_500_and_tells_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(submitting, "submit", fail)
    for accept in ("application/json", "text/html"):
        answer = api.post("pipelines/", document(), Accept=accept)
        problem(answer, 500)
        assert "secret" not in answer.text
    assert "secret of the house" in caplog.text  # the log has it


@pytest.mark.parametrize(
    "error", [OperationalError("connection to server at db.internal failed"), InterfaceError("closed")]
)
def test_the_database_away_is_503(error: Exception, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(editing, "add_job", fail)
    monkeypatch.setattr(Sweep.objects, "last_success", fail)
    pipeline = api.post("pipelines/", document()).json()["id"]
    operator = as_operator()
    for answer in (api.post("jobs/", shell("new", pipeline=pipeline)), operator.get("/metrics")):
        problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        assert "internal" not in answer.text


@pytest.mark.django_db(transaction=True)
def test_a_database_that_refuses_the_very_login_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
    for path in ("pipelines/", "me/", "runners/"):
        problem(api.get(path), 503)
    problem(api.post("reports/", {"reports": []}, Authorization="Bearer x"), 503)


HOSTILE = [
    b"", b"{", b"[]", b"[[]]", b"null", b"true", b"7", b'"text"', b"\xff\xfe", b"\0", b"{}", b'{"a":NaN}',
    b'{"a":1e999}',
    b'{"\\ud800":1}', b'{"a":"\\udfff"}', b'{"a":"\\u0000"}', b'{"a":' + b"9" * 5000 + b"}", b"[" * 100_000,
    b'{"a":' * 100_000, b'{"a":1,"a":2}', b'{"jobs":{},"stages":"x"}', b'{"name":["x"],"priority":{},"labels":[]}',
    b'{"pipeline":1e999}', b'{"pipeline":-1}', b'{"pipeline":[1]}', b'{"params":{"command":{"a":[]}}}',
    b'{"priority":99999999999999999999}', b'{"timeout":1.5}', b'{"name":"\\u0085"}',
]  # fmt: skip
SHORT = [body[:40] for body in HOSTILE]


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml"])
@pytest.mark.parametrize("body", HOSTILE, ids=map(repr, SHORT))
def test_a_hostile_body_is_the_sender_s_mistake(body: bytes, media_type: str) -> None:
    owner = create_client("owner")
    api = as_client(owner)
    pipeline = a_pipeline(owner.client, {"build": ["a"]})
    job = pipeline.jobs.get().pk
    for method, path in (("POST", "pipelines/"), ("POST", "jobs/")):
        assert api.ask(method, path, body, content_type=media_type).status_code in (400, 404)
    for path in (f"pipelines/{pipeline.pk}/", f"jobs/{job}/"):
        answer = api.patch(path, body, content_type=media_type)
        assert answer.status_code == 400 or (body == b"{}" and answer.status_code == 200), answer.content


def test_the_errors_of_drf_have_pointers_too(db: None) -> None:
    operator = as_operator()
    assert mistakes(operator.post("runners/", {"a/b~c": 1})).keys() == {"/a~1b~0c"}
    assert mistakes(operator.post("runners/", {"kinds": ["Shell", ""]})).keys() == {"/name", "/kinds/1"}


def test_a_view_that_forgets_to_answer_is_500_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KindListView, "get", lambda view, request: None)
    problem(api.get("kinds/"), 500)


@pytest.mark.parametrize(
    ("sent", "content_type", "length"),
    [
        ({"CONTENT_TYPE": "application/json; charset=utf-8"}, "application/json; charset=utf-8", "2"),
        ({"CONTENT_TYPE": "application/json; charset*=bogus''x"}, "", "2"),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, "", str(2**63 - 1)),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, "", "2"),
    ],
)
def test_requests_are_mended_on_their_way_in(sent: dict[str, Any], content_type: str, length: str) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        return [json.dumps([environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]]).encode()]

    environ: dict[str, Any] = {"CONTENT_TYPE": "", "CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}"), **sent}
    setup_testing_defaults(environ)
    (seen,) = mended(application)(environ, lambda *_: HttpResponse().write)
    assert json.loads(seen) == [content_type, length]


def test_who_forgets_the_slash_keeps_method_and_body(api: Api) -> None:
    answer = api.post("pipelines", document())
    assert (answer.status_code, answer.headers["Location"]) == (308, "/api/v1/pipelines/")


def test_a_problem_has_its_media_type(api: Api) -> None:
    for accept in ("application/json", "*/*", "application/xml, */*;q=0.1"):
        assert api.get("pipelines/7/", Accept=accept).headers["Content-Type"] == PROBLEM
