from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from clients.registration import Credentials, create_client
from pipelines import kinds
from pipelines.definition import Limits, parse
from pipelines.kinds import Kind, Work
from pipelines.masking import restored, secret_texts, shown_params
from pipelines.models import Job
from tests.api import Api, as_client, document, mistakes
from tests.operators import an_operator, form_of, page
from tests.scenes import a_client, a_pipeline, job
from tests.secretive import NAME, PARAMS, SHOWN, TEXTS, Login, login, registered


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def alice(db: None) -> Credentials:
    return create_client("alice")


@pytest.fixture
def api(alice: Credentials) -> Api:
    return as_client(alice)


def asked(params: Any, *, kind: str = NAME, version: str = "1.0.0") -> Any:
    return SimpleNamespace(kind=kind, version=version, params=params)


def test_what_is_marked_is_masked_wherever_it_stands_and_nothing_else() -> None:
    assert shown_params(asked(PARAMS)) == SHOWN
    assert shown_params(asked({"host": "here"})) == {"host": "here"}
    assert PARAMS["token"] == "hunter2-token"


def test_params_of_other_kinds_are_shown_as_they_are_without_a_copy() -> None:
    params = {"command": "echo token"}
    assert shown_params(asked(params, kind="Shell")) is params
    assert not any(kind.has_secret_params for kind in kinds.kinds() if kind.name != NAME)


def test_a_version_that_is_gone_is_judged_by_another_and_a_kind_that_is_gone_shows_no_text() -> None:
    assert shown_params(asked(PARAMS, version="0.9.0")) == SHOWN
    gone = shown_params(asked({"a": ["hunter2", 1, None, True]}, kind="Gone"))
    assert gone == {"a": ["***", 1, None, True]}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"p": {"x-secret": True}}},
        {"patternProperties": {"^p": {"x-secret": True}}},
        {"patternProperties": {"(?<p": {"x-secret": True}}},  # of another dialect
        {"additionalProperties": {"x-secret": True}},
        {"unevaluatedProperties": {"x-secret": True}},
        {"allOf": [{}, {"properties": {"p": {"x-secret": True}}}]},
        {"anyOf": [True, {"oneOf": [{"properties": {"p": {"x-secret": True}}}]}]},
        {"if": {}, "then": {"properties": {"p": {"x-secret": True}}}},
        {"if": {}, "else": {"properties": {"p": {"x-secret": True}}}},
        {"dependentSchemas": {"q": {"properties": {"p": {"x-secret": True}}}}},
        {
            "$ref": "#/$defs/a~1b",
            "$defs": {"a/b": {"$ref": "#/$defs/c"}, "c": {"properties": {"p": {"x-secret": True}}}},
        },
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"p": {"$ref": "#/$defs/a", "x-secret": True}}},
    ],
)
def test_schemas_are_read_as_json_schema_says(schema: dict[str, Any]) -> None:
    class Odd(Login):
        name = "Odd"

        def schema(self) -> dict[str, Any]:
            return {"type": "object", **schema}

    with registered(Odd):
        assert shown_params(asked({"p": "hunter2"}, kind="Odd")) == {"p": "***"}


def test_items_are_masked_each_by_its_own_schema() -> None:
    class Odd(Login):
        name = "Odd"

        def schema(self) -> dict[str, Any]:
            first = {"prefixItems": [{}, {"x-secret": True}], "items": {"properties": {"s": {"x-secret": True}}}}
            return {"type": "object", "properties": {"p": first}}

    with registered(Odd):
        shown = shown_params(asked({"p": ["a", "hunter2", {"s": "hunter2", "t": "b"}]}, kind="Odd"))
    assert shown == {"p": ["a", "***", {"s": "***", "t": "b"}]}


def test_a_mask_that_is_sent_back_stands_for_what_is_there() -> None:
    held = asked(PARAMS)
    assert restored(SHOWN, job=held) == PARAMS
    sent = {
        **SHOWN,
        "token": "new",
        "accounts": [SHOWN["accounts"][0], {"user": "eve", "password": "***"}],
        "host": "***",
    }
    assert restored(sent, job=held) == {
        **PARAMS,
        "token": "new",
        "accounts": [PARAMS["accounts"][0], {"user": "eve", "password": "hunter2-bob"}],
        "host": "***",  # nothing is hidden there
    }
    more = {**SHOWN, "accounts": [*SHOWN["accounts"], {"user": "carol", "password": "***"}]}
    assert restored(more, job=held)["accounts"][2]["password"] == "***"
    assert restored("no object", job=held) == "no object"


def test_secret_texts_are_found_for_logs_to_be_masked() -> None:
    assert secret_texts(PARAMS, kind=Login()) == TEXTS
    assert secret_texts({"command": "x"}, kind=kinds.resolve("Shell", "1.0.0")) == set()
    assert secret_texts(PARAMS, kind=None) == set()


def test_reprs_show_no_params() -> None:
    parsed = parse(json.dumps(document(login())).encode(), media_type="application/json", limits=Limits())
    assert "hunter2" not in repr(parsed) + repr(Work(kind=NAME, version="1.0.0", params=PARAMS))


def test_no_answer_of_the_api_shows_them(api: Api) -> None:
    planned = api.post("pipelines/?dry_run=true", document(login()))
    made = api.post("pipelines/", document(login()))
    pipeline = made.json()
    (one,) = pipeline["stages"][0]["jobs"]
    assert one["params"] == SHOWN
    added = api.post("jobs/", {"pipeline": pipeline["id"], **login("two")})
    answers = [
        planned,
        made,
        added,
        api.get("jobs/"),
        api.get(f"jobs/{one['id']}/"),
        api.get(f"pipelines/{pipeline['id']}/"),
    ]
    answers += [
        api.get(f"pipelines/{pipeline['id']}/events/"),
        api.get("kinds/"),
        api.post(f"jobs/{one['id']}/cancel/"),
    ]
    answers += [api.get(f"jobs/{one['id']}/", Accept="text/html"), api.get("jobs/", Accept="text/html")]
    assert [answer.status_code for answer in answers] == [200, 201, 201, *[200] * 8]
    assert not any("hunter2" in answer.text or "1234567" in answer.text for answer in answers)
    assert Job.objects.get(name="two").params == PARAMS


def test_a_mistake_in_one_is_told_without_its_value(api: Api) -> None:
    wrong = login(token=7654321, accounts=[{"user": "alice", "password": ["hunter2"]}], key={"a": 1}, host=5)
    found = mistakes(api.post("pipelines/", document(wrong)))
    assert list(found) == [f"/jobs/0/params/{place}" for place in ("host", "token", "accounts/0/password")]
    assert "the number 5" in found["/jobs/0/params/host"]
    assert "hunter2" not in str(found) and "7654321" not in str(found)
    made = api.post("pipelines/", document(login())).json()["stages"][0]["jobs"][0]
    answer = api.patch(f"jobs/{made['id']}/", {"params": {"host": "here", "token": 7654321}})
    assert "7654321" not in answer.text and list(mistakes(answer)) == ["/params/token"]


def test_a_patch_of_what_was_shown_keeps_what_was_hidden(api: Api) -> None:
    made = api.post("pipelines/", document(login())).json()["stages"][0]["jobs"][0]
    answer = api.patch(f"jobs/{made['id']}/", {"params": {**made["params"], "host": "there"}})
    assert answer.json()["params"] == {**SHOWN, "host": "there"}
    assert Job.objects.get().params == {**PARAMS, "host": "there"}
    assert api.patch(f"jobs/{made['id']}/", {"params": {"host": "there", "token": "***"}}).status_code == 200
    assert Job.objects.get().params == {"host": "there", "token": "hunter2-token"}
    assert list(mistakes(api.patch(f"jobs/{made['id']}/", {"params": []}))) == ["/params"]


@pytest.mark.django_db
@pytest.mark.parametrize("permissions", [(), ("view_job", "view_pipeline")])
def test_no_page_of_the_admin_shows_them(permissions: tuple[str, ...]) -> None:
    one = job(a_pipeline(a_client(), {"build": [login()]}), "one")
    operator = an_operator(*permissions)
    where = f"/admin/pipelines/job/{one.pk}/change/"
    pages = [page(operator, where), page(operator, "/admin/pipelines/job/")]
    assert "***" in pages[0]
    assert not any("hunter2" in text or "1234567" in text for text in pages)


@pytest.mark.django_db
def test_an_operator_s_edit_of_other_params_keeps_them() -> None:
    one = job(a_pipeline(a_client(), {"build": [login()]}), "one")
    operator = an_operator()
    where = f"/admin/pipelines/job/{one.pk}/change/"
    fields = form_of(page(operator, where))
    operator.post(where, fields | {"priority": "3"})
    one.refresh_from_db()
    assert (one.priority, one.params) == (3, PARAMS)
    edited = json.loads(fields["params"]) | {"host": "there"}
    answer = operator.post(where, fields | {"params": json.dumps(edited), "_continue": "1"}, follow=True)
    one.refresh_from_db()
    assert one.params == {**PARAMS, "host": "there"}
    refused = operator.post(where, form_of(page(operator, where), params='{"token": "hunter2-token"}'))
    assert "is required" in refused.text
    texts = [answer.text, *(entry.change_message for entry in LogEntry.objects.all())]
    assert not any("hunter2" in text for text in texts)


def test_the_kind_is_asked_once_whether_it_has_any() -> None:
    asked_for: list[str] = []

    class Counting(Login):
        name = "Counting"

        def schema(self) -> dict[str, Any]:
            asked_for.append("schema")
            return {"type": "object"}

    with registered(Counting):
        kind: Kind | None = kinds.registry.get("Counting", "1.0.0")
        for _ in range(3):
            shown_params(asked({}, kind="Counting"))
    assert kind is not None and asked_for == ["schema"]
