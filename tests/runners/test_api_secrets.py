from __future__ import annotations

import json
from typing import Any

import pytest

from clients import vault
from clients.models import NamedSecret
from clients.registration import Credentials
from clients.registration import create_client as made
from tests.api import Api, as_client, as_staff, mistakes, problem

pytestmark = pytest.mark.django_db

VALUE = "correct horse battery staple"
LIST, ONE = "me/secrets/", "me/secrets/TOKEN/"


@pytest.fixture
def alice() -> Credentials:
    return made("alice")


@pytest.fixture
def api(alice: Credentials) -> Api:
    return as_client(alice)


def put(api: Api, path: str = ONE, /, **body: Any) -> Any:
    return api.ask("PUT", path, body or {"value": VALUE})


def names(api: Api, path: str = LIST) -> list[str]:
    return [each["name"] for each in api.get(path).json()["results"]]


def test_a_secret_is_made_replaced_listed_and_deleted_and_never_shown(api: Api, alice: Credentials) -> None:
    answers = [put(api), put(api, value="another value"), api.get(LIST), api.delete(ONE), api.get(LIST)]
    assert [answer.status_code for answer in answers] == [201, 204, 200, 204, 200]
    assert set(answers[0].json()) == {"name", "created_at", "updated_at"}
    (listed,) = answers[2].json()["results"]
    assert set(listed) == {"name", "created_at", "updated_at"} and listed["name"] == "TOKEN"
    assert answers[2].json()["next"] is None
    assert answers[4].json()["results"] == []
    assert not any(text in answer.text for answer in answers for text in (VALUE, "another value", "sealed"))


def test_what_is_put_is_kept_as_it_is(api: Api, alice: Credentials) -> None:
    value = "  spaces, \ttabs and\nlines\n"
    assert put(api, value=value).status_code == 201
    assert vault.reveal([(alice.client.pk, "TOKEN")])[alice.client.pk, "TOKEN"] == value


def test_a_stranger_sees_and_changes_nothing_of_it(api: Api, alice: Credentials) -> None:
    put(api)
    stranger = as_client(made("bob"))
    assert names(stranger) == []
    problem(stranger.delete(ONE), 404)
    assert put(stranger, value="of another").status_code == 201
    assert vault.reveal([(alice.client.pk, "TOKEN")])[alice.client.pk, "TOKEN"] == VALUE
    for path in (LIST, ONE):
        problem(stranger.ask("GET" if path == LIST else "PUT", f"{path}?client={alice.client_id}", {"value": "x"}), 404)
    assert names(api) == ["TOKEN"]


def test_nobody_gets_in_without_login() -> None:
    for method, path in (("GET", LIST), ("PUT", ONE), ("DELETE", ONE)):
        problem(Api().ask(method, path, {"value": VALUE}), 401)


def test_staff_name_the_client_and_need_the_permission(alice: Credentials) -> None:
    staff = as_staff("view_namedsecret", "change_namedsecret", "delete_namedsecret")
    whose = f"?client={alice.client_id}"
    assert mistakes(staff.get(LIST)) == {"/client": "Say for which client: add ?client=CLIENT_ID."}
    assert put(staff, f"{ONE}{whose}").status_code == 201
    assert names(staff, f"{LIST}{whose}") == ["TOKEN"]
    others = as_staff("view_client", "change_client", username="others")
    for method, path in (("GET", LIST), ("PUT", ONE), ("DELETE", ONE)):
        problem(others.ask(method, f"{path}{whose}", {"value": VALUE}), 403)
    assert staff.delete(f"{ONE}{whose}").status_code == 204


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/value"),
        ({"value": ""}, "/value"),
        ({"value": None}, "/value"),
        ({"value": 123456789}, "/value"),
        ({"value": ["hunter2-hunter2"]}, "/value"),
        ({"value": "hunter2-hunter2\0"}, "/value"),
        ({"value": "hunter2-hunter2" + "x" * 65536}, "/value"),
        ({"value": "hunter2-hunter2", "valu": "hunter2-hunter2"}, "/valu"),
        ([], ""),
    ],
)
def test_a_bad_value_is_refused_and_not_repeated(api: Api, body: Any, pointer: str) -> None:
    for accept in ("application/json", "text/html"):
        answer = api.ask("PUT", ONE, body, Accept=accept)
        assert answer.status_code == 400
        assert "hunter2" not in answer.text
    assert list(mistakes(api.ask("PUT", ONE, body))) == [pointer]
    assert not NamedSecret.objects.exists()


def test_half_a_surrogate_pair_and_what_is_no_json_are_refused(api: Api) -> None:
    for body in (json.dumps({"value": "hunter2\ud800"}).encode(), b'{"value": "hunter2', b"\xff"):
        answer = api.ask("PUT", ONE, body)
        assert "hunter2" not in problem(answer, 400)["detail"] + answer.text


@pytest.mark.parametrize("name", ["1A", "A-B", "A%20B", "A.B", "%C3%84", "A%00", "A" * 129])
def test_a_bad_name_is_refused(api: Api, name: str) -> None:
    assert list(mistakes(put(api, f"me/secrets/{name}/"))) == ["/name"]
    problem(api.delete(f"me/secrets/{name}/"), 404)


def test_one_too_many_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "SECRETS_MAX", 1)
    put(api)
    assert "delete one" in problem(put(api, "me/secrets/OTHER/"), 400)["detail"]
    assert put(api).status_code == 204


def test_there_is_no_reading_it(api: Api) -> None:
    put(api)
    problem(api.get(ONE), 405)
    page = api.get(LIST, Accept="text/html")
    assert page.status_code == 200 and VALUE not in page.text
