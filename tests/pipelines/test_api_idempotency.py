from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from clients.registration import Credentials, create_client
from pipelines import cancelling, clock
from pipelines.idempotency import Answer, once
from pipelines.models import Contents, IdempotencyKey, Pipeline
from pipelines.models.submission import KEY_LIFETIME
from tests.api import Api, as_client, as_staff, document, mistakes, problem, shell
from tests.concurrency import held_elsewhere

pytestmark = pytest.mark.django_db
BODY = json.dumps(document()).encode()


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


def submit(api: Api, *, key: str = "k1", body: bytes = BODY, query: str = "", content_type: str = "text/yaml") -> Any:
    return api.post(f"pipelines/{query}", body, content_type=content_type, Idempotency_Key=key)


def test_the_same_request_is_answered_with_what_it_made(owner: Credentials) -> None:
    api = as_client(owner)
    first = submit(api)
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    cancelling.cancel_pipeline(first.json()["id"], now=clock.now())

    again = submit(api, content_type="text/yaml; charset=utf-8")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.headers["Location"] == first.headers["Location"]
    assert (again.json()["id"], again.json()["state"]) == (first.json()["id"], "CANCELLED")
    assert Pipeline.objects.count() == 1


def test_a_quoted_key_is_the_same_key(owner: Credentials) -> None:
    api = as_client(owner)
    assert submit(api, key='"k1"').json()["id"] == submit(api, key="k1").json()["id"]


def test_a_202_is_kept_as_well(owner: Credentials, settings: Any) -> None:
    settings.DIVIDE_INLINE_MAX_JOBS = 0
    api = as_client(owner)
    assert (submit(api).status_code, submit(api).status_code) == (202, 202)
    assert Pipeline.objects.count() == 1


@pytest.mark.parametrize(
    "other", [{"body": BODY + b" "}, {"content_type": "application/x-yaml"}, {"query": "?a=b"}], ids=str
)
def test_another_request_with_the_key_is_422(other: dict[str, Any], owner: Credentials) -> None:
    api = as_client(owner)
    submit(api)
    problem(submit(api, **other), 422)
    assert Pipeline.objects.count() == 1


def test_a_key_is_a_client_s_own(owner: Credentials) -> None:
    first = submit(as_client(owner)).json()["id"]
    other = submit(as_client(create_client("other")))
    assert (other.status_code, "Idempotency-Replayed" in other.headers) == (201, False)
    assert other.json()["id"] != first


def test_of_staff_a_key_is_per_user_and_client(owner: Credentials) -> None:
    other = create_client("other")
    made = {submit(as_client(owner)).json()["id"]}
    for username in ("sam", "kim"):
        staff = as_staff("add_pipeline", username=username)
        for client in (owner, other):
            query = f"?client={client.client_id}"
            answer = submit(staff, query=query)
            assert submit(staff, query=query).json()["id"] == answer.json()["id"]
            made.add(answer.json()["id"])
    assert len(made) == 5 == Pipeline.objects.count()


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "caf\xe9"])
def test_a_malformed_key_is_400(key: str, owner: Credentials) -> None:
    assert "Idempotency-Key" in problem(submit(as_client(owner), key=key), 400)["detail"]
    assert not Pipeline.objects.exists()


def test_what_was_refused_is_not_kept(owner: Credentials) -> None:
    api = as_client(owner)
    assert mistakes(submit(api, body=json.dumps(document(shell(timout=1))).encode()))
    type(owner.client).objects.update(max_ready_jobs=0)
    problem(submit(api), 422)
    type(owner.client).objects.update(max_ready_jobs=1)
    assert submit(api).status_code == 201
    problem(submit(api, key="k2"), 429)
    type(owner.client).objects.update(max_ready_jobs=None)
    assert submit(api, key="k2").status_code == 201


def test_a_dry_run_neither_keeps_nor_reads_a_key(owner: Credentials) -> None:
    api = as_client(owner)
    assert submit(api, query="?dry_run=true").status_code == 200
    assert not IdempotencyKey.objects.exists()
    submit(api)
    assert submit(api, query="?dry_run=true", body=BODY + b" ").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_running_it_is_409() -> None:
    owner = create_client("owner")
    answer = Answer(Pipeline.objects.create(client=owner.client), 201, Contents([], []))

    def first() -> None:
        once(key="k1", client=owner.client, user=None, fingerprint="", make=lambda: answer)

    with held_elsewhere(first):
        problem(submit(as_client(owner)), 409)
        assert submit(as_client(owner), key="k2").status_code == 201
        sam = User.objects.create_superuser("sam")
        assert submit(Api(user=sam), query=f"?client={owner.client_id}").status_code == 201


def test_a_key_is_forgotten_after_a_day(owner: Credentials) -> None:
    api = as_client(owner)
    first = submit(api)
    IdempotencyKey.objects.update(created_at=clock.now() - KEY_LIFETIME)
    assert submit(api).json()["id"] != first.json()["id"]
